"""boto3 as people set it up (nothing said of signatures or styles), and what builds on it."""

import io
import urllib.request

import boto3
import requests
from boto3.s3.transfer import TransferConfig
from check import ACCESS_KEY, BUCKET, ENDPOINT, MIB, REGION, SECRET_KEY, blob, check, equal, run

SESSION = boto3.Session(
    aws_access_key_id=ACCESS_KEY, aws_secret_access_key=SECRET_KEY, region_name=REGION
)
S3 = SESSION.client("s3", endpoint_url=ENDPOINT)
RESOURCE = SESSION.resource("s3", endpoint_url=ENDPOINT)


@check("boto3", "transfer manager: parts up and down")
def transfer():
    data = blob(17 * MIB)
    config = TransferConfig(multipart_threshold=5 * MIB, multipart_chunksize=5 * MIB)
    S3.upload_fileobj(io.BytesIO(data), BUCKET, "boto3/parts", Config=config)
    equal(S3.head_object(Bucket=BUCKET, Key="boto3/parts")["ETag"][-3:], '-4"')
    found = io.BytesIO()
    S3.download_fileobj(BUCKET, "boto3/parts", found, Config=config)
    equal(found.getvalue(), data)


@check("boto3", "presigned GET and PUT by its defaults")
def presigned():
    where = {"Bucket": BUCKET, "Key": "boto3/presigned a+b"}
    url = S3.generate_presigned_url("put_object", Params={**where, "ContentType": "text/plain"})
    answer = requests.put(url, data=b"signed", headers={"Content-Type": "text/plain"}, timeout=20)
    equal(answer.status_code, 200)
    url = S3.generate_presigned_url("get_object", Params={**where, "ResponseContentType": "a/b"})
    with urllib.request.urlopen(url) as answer:
        equal((answer.read(), answer.headers["Content-Type"]), (b"signed", "a/b"))
    equal(requests.get(url.replace("boto3", "other"), timeout=20).status_code, 403)


@check("boto3", "presigned form")
def form():
    signed = S3.generate_presigned_post(
        BUCKET,
        "boto3/form/${filename}",
        Fields={"acl": "private"},
        Conditions=[{"acl": "private"}, ["content-length-range", 1, 100]],
    )
    files = {"file": ("name.txt", b"posted")}
    equal(requests.post(signed["url"], data=signed["fields"], files=files, timeout=20).status_code, 204)
    equal(S3.get_object(Bucket=BUCKET, Key="boto3/form/name.txt")["Body"].read(), b"posted")
    files = {"file": ("name.txt", b"x" * 101)}
    equal(requests.post(signed["url"], data=signed["fields"], files=files, timeout=20).status_code, 400)


@check("boto3", "paginators and delete in bulk")
def pages():
    keys = [f"boto3/pages/{at % 7}/{at:03}" for at in range(25)]
    for key in keys:
        S3.put_object(Bucket=BUCKET, Key=key, Body=b"x")
    pager = S3.get_paginator("list_objects_v2")
    listed = [
        entry["Key"]
        for page in pager.paginate(Bucket=BUCKET, Prefix="boto3/pages/", PaginationConfig={"PageSize": 4})
        for entry in page["Contents"]
    ]
    equal(listed, sorted(keys))
    folders = S3.list_objects_v2(Bucket=BUCKET, Prefix="boto3/pages/", Delimiter="/")
    equal(len(folders["CommonPrefixes"]), 7)
    S3.delete_objects(Bucket=BUCKET, Delete={"Objects": [{"Key": key} for key in keys]})
    equal(S3.list_objects_v2(Bucket=BUCKET, Prefix="boto3/pages/")["KeyCount"], 0)


@check("boto3", "resources, waiters, copies, metadata")
def resources():
    item = RESOURCE.Object(BUCKET, "boto3/resource")
    item.put(Body=b"hello", Metadata={"a": "b"}, ContentType="text/x")
    item.wait_until_exists()
    equal((item.metadata, item.content_type), ({"a": "b"}, "text/x"))
    copy = RESOURCE.Object(BUCKET, "boto3/copy")
    copy.copy({"Bucket": BUCKET, "Key": "boto3/resource"})
    equal(copy.get(Range="bytes=1-3")["Body"].read(), b"ell")
    item.delete()
    item.wait_until_not_exists()
    equal([one.key for one in RESOURCE.Bucket(BUCKET).objects.filter(Prefix="boto3/copy")], ["boto3/copy"])


@check("boto3", "conditions and checksums")
def conditions():
    put = {"Bucket": BUCKET, "Key": "boto3/once", "Body": b"1"}
    S3.put_object(**put, IfNoneMatch="*", ChecksumAlgorithm="SHA256")
    try:
        S3.put_object(**put, IfNoneMatch="*")
        raise AssertionError("it was overwritten")
    except S3.exceptions.ClientError as error:
        equal(error.response["Error"]["Code"], "PreconditionFailed")
    found = S3.get_object(Bucket=BUCKET, Key="boto3/once", ChecksumMode="ENABLED")
    equal(found["ChecksumSHA256"], "a4ayc/80/OGda4BO/1o/V0etpOqiLx1JwB5S3beHW0s=")


@check("smart_open", "streams up and down, seeks")
def streams():
    import smart_open

    parameters = {"client": S3}
    url = f"s3://{BUCKET}/smart-open/stream"
    data = blob(6 * MIB, 1)
    with smart_open.open(url, "wb", transport_params=parameters) as file:
        file.write(data)
    with smart_open.open(url, "rb", transport_params=parameters) as file:
        file.seek(5 * MIB)
        equal(file.read(1000), data[5 * MIB : 5 * MIB + 1000])
        file.seek(0)
        equal(file.read(), data)


@check("cloudpathlib", "files and folders as paths")
def cloudpath():
    import cloudpathlib

    root = cloudpathlib.S3Client(boto3_session=SESSION, endpoint_url=ENDPOINT).CloudPath(
        f"s3://{BUCKET}/cloudpathlib"
    )
    (root / "a" / "b.txt").write_text("words")
    equal((root / "a").is_dir(), True)
    equal([path.name for path in root.rglob("*.txt")], ["b.txt"])
    (root / "a" / "b.txt").rename(root / "c.txt")
    equal((root / "c.txt").read_text(), "words")
    root.rmtree()
    equal(root.exists(), False)


@check("s3path", "files and folders as paths")
def s3paths():
    import s3path

    root = s3path.S3Path(f"/{BUCKET}/s3path")
    s3path.register_configuration_parameter(s3path.PureS3Path("/"), resource=RESOURCE)
    (root / "x.txt").write_text("words")
    equal([path.name for path in root.iterdir()], ["x.txt"])
    equal((root / "x.txt").stat().size, 5)
    (root / "x.txt").unlink()
    equal((root / "x.txt").exists(), False)


run()
