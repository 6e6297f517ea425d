"""Libraries with S3 clients of their own: minio, CRT, Rust, C++. Each is loaded where it is used."""

import io

from check import ACCESS_KEY, BUCKET, ENDPOINT, MIB, REGION, SECRET_KEY, blob, check, equal, run

HOST = ENDPOINT.split("://")[1]
OPTIONS = {
    "aws_access_key_id": ACCESS_KEY,
    "aws_secret_access_key": SECRET_KEY,
    "aws_region": REGION,
    "aws_endpoint_url": ENDPOINT,
    "aws_allow_http": "true",
}


def open_minio():
    import minio

    return minio.Minio(HOST, ACCESS_KEY, SECRET_KEY, secure=False, region=REGION)


@check("minio-py", "objects, parts, ranges, copies, lists")
def minio_objects():
    import minio.commonconfig
    import minio.deleteobjects

    client = open_minio()
    data = blob(11 * MIB, 2)
    client.put_object(BUCKET, "minio-py/a b", io.BytesIO(data), len(data), part_size=5 * MIB)
    equal(client.stat_object(BUCKET, "minio-py/a b").size, len(data))
    equal(client.get_object(BUCKET, "minio-py/a b", 5, 10).data, data[5:15])
    source = minio.commonconfig.CopySource(BUCKET, "minio-py/a b")
    client.copy_object(BUCKET, "minio-py/copy", source)
    names = [one.object_name for one in client.list_objects(BUCKET, "minio-py/", recursive=True)]
    equal(names, ["minio-py/a b", "minio-py/copy"])
    gone = [minio.deleteobjects.DeleteObject(name) for name in names]
    equal(list(client.remove_objects(BUCKET, gone)), [])


@check("minio-py", "buckets, tags, presigned URLs, compose")
def minio_more():
    import minio.commonconfig

    client = open_minio()
    client.make_bucket("minio-py-bucket")
    equal(client.bucket_exists("minio-py-bucket"), True)
    client.remove_bucket("minio-py-bucket")
    client.put_object(BUCKET, "minio-py/tags", io.BytesIO(b"x"), 1)
    tags = minio.commonconfig.Tags.new_object_tags()
    tags["k"] = "v"
    client.set_object_tags(BUCKET, "minio-py/tags", tags)
    equal(dict(client.get_object_tags(BUCKET, "minio-py/tags")), {"k": "v"})
    part = blob(5 * MIB, 3)
    client.put_object(BUCKET, "minio-py/part", io.BytesIO(part), len(part))
    sources = [minio.commonconfig.ComposeSource(BUCKET, "minio-py/part")] * 2
    client.compose_object(BUCKET, "minio-py/composed", sources)
    equal(client.stat_object(BUCKET, "minio-py/composed").size, 10 * MIB)
    url = client.presigned_get_object(BUCKET, "minio-py/tags")
    equal(client._http.request("GET", url).data, b"x")


@check("pyarrow", "S3FileSystem: streams, ranges, moves, folders")
def arrow():
    import pyarrow.fs

    fs = pyarrow.fs.S3FileSystem(
        access_key=ACCESS_KEY,
        secret_key=SECRET_KEY,
        region=REGION,
        endpoint_override=HOST,
        scheme="http",
        allow_bucket_creation=True,
    )
    data = blob(12 * MIB, 4)
    with fs.open_output_stream(f"{BUCKET}/pyarrow/a") as file:
        file.write(data)
    with fs.open_input_file(f"{BUCKET}/pyarrow/a") as file:
        equal(file.read_at(1000, 7 * MIB), data[7 * MIB : 7 * MIB + 1000])
    fs.move(f"{BUCKET}/pyarrow/a", f"{BUCKET}/pyarrow/b")
    fs.create_dir(f"{BUCKET}/pyarrow/dir")
    listed = fs.get_file_info(pyarrow.fs.FileSelector(f"{BUCKET}/pyarrow", recursive=True))
    equal(sorted(one.base_name for one in listed), ["b", "dir"])
    fs.delete_dir(f"{BUCKET}/pyarrow")


@check("polars", "writes and scans Parquet")
def polars_parquet():
    import polars

    url = f"s3://{BUCKET}/polars/table.parquet"
    frame = polars.DataFrame({"n": range(10_000)})
    frame.write_parquet(url, storage_options=OPTIONS)
    total = polars.scan_parquet(url, storage_options=OPTIONS).select(polars.col("n").sum()).collect()
    equal(total["n"][0], 49_995_000)


@check("duckdb", "httpfs: COPY TO, globs, reads by ranges")
def duckdb_httpfs():
    import duckdb
    from duckdb_extensions import import_extension

    import_extension("httpfs")
    database = duckdb.connect()
    database.execute("LOAD httpfs")
    database.execute(
        f"""CREATE SECRET (TYPE s3, KEY_ID '{ACCESS_KEY}', SECRET '{SECRET_KEY}',
            REGION '{REGION}', ENDPOINT '{HOST}', URL_STYLE 'path', USE_SSL false)"""
    )
    for at in (1, 2):
        database.execute(f"COPY (SELECT {at} AS n FROM range(50000)) TO 's3://{BUCKET}/duckdb/{at}.parquet'")
    found = database.execute(f"SELECT sum(n), count(*) FROM 's3://{BUCKET}/duckdb/*.parquet'").fetchone()
    equal(tuple(int(one) for one in found), (150_000, 100_000))


@check("deltalake", "conditional commits, versions")
def delta():
    import deltalake
    import pyarrow

    url = f"s3://{BUCKET}/deltalake"
    rows = pyarrow.table({"n": list(range(100))})
    options = {**OPTIONS, "aws_conditional_put": "etag"}
    deltalake.write_deltalake(url, rows, storage_options=options)
    deltalake.write_deltalake(url, rows, mode="append", storage_options=options)
    equal(deltalake.DeltaTable(url, storage_options=options).to_pyarrow_table().num_rows, 200)
    first = deltalake.DeltaTable(url, version=0, storage_options=options)
    equal(first.to_pyarrow_table().num_rows, 100)


@check("obstore", "parts, ranges, create once, rename")
def object_store():
    import obstore
    from obstore.store import S3Store

    store = S3Store(
        BUCKET,
        endpoint=ENDPOINT,
        access_key_id=ACCESS_KEY,
        secret_access_key=SECRET_KEY,
        region=REGION,
        client_options={"allow_http": True},
    )
    data = blob(11 * MIB, 5)
    obstore.put(store, "obstore/a", io.BytesIO(data), chunk_size=5 * MIB)
    ranges = obstore.get_ranges(store, "obstore/a", starts=[0, 6 * MIB], lengths=[10, 10])
    equal([bytes(one) for one in ranges], [data[:10], data[6 * MIB : 6 * MIB + 10]])
    obstore.rename(store, "obstore/a", "obstore/b")
    obstore.put(store, "obstore/once", b"1", mode="create")
    try:
        obstore.put(store, "obstore/once", b"2", mode="create")
        raise AssertionError("it was overwritten")
    except obstore.exceptions.AlreadyExistsError:
        pass
    listed = [meta["path"] for page in obstore.list(store, prefix="obstore") for meta in page]
    equal(listed, ["obstore/b", "obstore/once"])


@check("opendal", "writes, ranges, lists, copies, presigns")
def dal():
    import opendal

    operator = opendal.Operator(
        "s3",
        bucket=BUCKET,
        endpoint=ENDPOINT,
        region=REGION,
        access_key_id=ACCESS_KEY,
        secret_access_key=SECRET_KEY,
    )
    data = blob(MIB, 6)
    operator.write("opendal/a", data)
    with operator.open("opendal/a", "rb") as file:
        file.seek(1000)
        equal(bytes(file.read(10)), data[1000:1010])
    operator.copy("opendal/a", "opendal/b")
    equal(operator.stat("opendal/b").content_length, MIB)
    equal(sorted(entry.path for entry in operator.list("opendal/")), ["opendal/a", "opendal/b"])
    operator.remove_all("opendal/")
    equal(list(operator.list("opendal/")), [])


@check("tensorstore", "zarr arrays over its S3 store")
def tensors():
    import tensorstore

    spec = {
        "driver": "zarr",
        "kvstore": {
            "driver": "s3",
            "bucket": BUCKET,
            "path": "tensorstore/",
            "endpoint": ENDPOINT,
            "aws_region": REGION,
            "host_header": HOST,
        },
        "metadata": {"dtype": "<u2", "shape": [64, 64], "chunks": [16, 16]},
    }
    array = tensorstore.open(spec, create=True, delete_existing=True).result()
    array[10:30, :] = 7
    read = tensorstore.open(spec).result().read().result()
    equal(int(read.sum()), 20 * 64 * 7)


@check("s3torchconnector", "its CRT client: get, put in parts, list")
def torch():
    from s3torchconnectorclient._mountpoint_s3_client import MountpointS3Client

    client = MountpointS3Client(REGION, "check", endpoint=ENDPOINT, force_path_style=True)
    data = blob(9 * MIB, 7)
    stream = client.put_object(BUCKET, "torch/a")
    for at in range(0, len(data), MIB):
        stream.write(data[at : at + MIB])
    stream.close()
    equal(b"".join(client.get_object(BUCKET, "torch/a")), data)
    listed = [one.key for page in client.list_objects(BUCKET, "torch/") for one in page.object_info]
    equal(listed, ["torch/a"])
    equal(client.head_object(BUCKET, "torch/a").size, len(data))


run()
