"""boto3, as its users write it."""

import boto3
import job


def connect(settings):
    bucket = settings["bucket"]
    s3 = boto3.client(
        "s3",
        endpoint_url=settings["endpoint"],
        aws_access_key_id=settings["accessKey"],
        aws_secret_access_key=settings["secretKey"],
        region_name=settings["region"],
    )

    def list_keys(prefix):
        pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
        return [
            {"key": item["Key"], "sizeBytes": item["Size"]}
            for page in pages
            for item in page.get("Contents", [])
        ]

    def read(keys):
        found = {}
        for key in keys:
            body = s3.get_object(Bucket=bucket, Key=key)["Body"]
            found[key] = job.digest(body.iter_chunks(job.SLICE_BYTES))
        return found

    def write(path, key):
        s3.upload_file(path, bucket, key)

    def copy(source, target):
        s3.copy_object(Bucket=bucket, Key=target, CopySource={"Bucket": bucket, "Key": source})

    def remove(key):
        s3.delete_object(Bucket=bucket, Key=key)

    return {"list": list_keys, "read": read, "write": write, "copy": copy, "remove": remove}


job.run(connect)
