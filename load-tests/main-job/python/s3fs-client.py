"""s3fs, the file system that pandas, dask and others use."""

import job
import s3fs


def connect(settings):
    bucket = settings["bucket"]
    fs = s3fs.S3FileSystem(
        endpoint_url=settings["endpoint"],
        key=settings["accessKey"],
        secret=settings["secretKey"],
        client_kwargs={"region_name": settings["region"]},
        use_listings_cache=False,
    )

    def list_keys(prefix):
        found = fs.find(f"{bucket}/{prefix}", detail=True)
        return [
            {"key": path.removeprefix(f"{bucket}/"), "sizeBytes": entry["size"]}
            for path, entry in found.items()
        ]

    def read(keys):
        found = {}
        for key in keys:
            with fs.open(f"{bucket}/{key}", "rb", block_size=16 * job.SLICE_BYTES) as file:
                found[key] = job.digest(job.slices_of(file))
        return found

    def write(path, key):
        fs.put_file(path, f"{bucket}/{key}")

    def copy(source, target):
        fs.copy(f"{bucket}/{source}", f"{bucket}/{target}")

    def remove(key):
        fs.rm_file(f"{bucket}/{key}")

    return {"list": list_keys, "read": read, "write": write, "copy": copy, "remove": remove}


job.run(connect)
