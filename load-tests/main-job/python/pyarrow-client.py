"""Arrow's own S3 client (the AWS SDK for C++), and its Parquet reader over it."""

import job
import pyarrow.parquet as parquet
from pyarrow import fs as arrow_fs


def connect(settings):
    bucket = settings["bucket"]
    scheme, host = settings["endpoint"].split("://")
    s3 = arrow_fs.S3FileSystem(
        access_key=settings["accessKey"],
        secret_key=settings["secretKey"],
        region=settings["region"],
        scheme=scheme,
        endpoint_override=host,
        background_writes=False,
    )

    def list_keys(prefix):
        selector = arrow_fs.FileSelector(f"{bucket}/{prefix}", recursive=True)
        return [
            {"key": info.path.removeprefix(f"{bucket}/"), "sizeBytes": info.size}
            for info in s3.get_file_info(selector)
            if info.type == arrow_fs.FileType.File
        ]

    def read(keys):
        found = {}
        for key in keys:
            with s3.open_input_stream(f"{bucket}/{key}") as file:
                found[key] = job.digest(job.slices_of(file))
        return found

    def compare_parquet(key, path):
        """Reads some columns of a table by ranges, and compares them with the local file."""
        columns = ["delay", "distance"]
        remote = parquet.read_table(f"{bucket}/{key}", filesystem=s3, columns=columns)
        local = parquet.read_table(path, columns=columns)
        return {"rows": remote.num_rows, "equal": remote.equals(local)}

    def write(path, key):
        with open(path, "rb") as source, s3.open_output_stream(f"{bucket}/{key}") as target:
            for data in job.slices_of(source):
                target.write(data)

    def copy(source, target):
        s3.copy_file(f"{bucket}/{source}", f"{bucket}/{target}")

    def remove(key):
        s3.delete_file(f"{bucket}/{key}")

    return {
        "list": list_keys,
        "read": read,
        "compare-parquet": compare_parquet,
        "write": write,
        "copy": copy,
        "remove": remove,
    }


job.run(connect)
