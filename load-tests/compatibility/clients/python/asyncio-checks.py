"""aiobotocore and the file systems on it. Each library is loaded where it is used."""

import asyncio

from check import ACCESS_KEY, BUCKET, ENDPOINT, MIB, REGION, SECRET_KEY, blob, check, equal, run

OPTIONS = {
    "endpoint_url": ENDPOINT,
    "key": ACCESS_KEY,
    "secret": SECRET_KEY,
    "client_kwargs": {"region_name": REGION},
}


@check("s3fs", "files in parts, moves, folders, globs")
def files():
    import fsspec
    import s3fs

    fs = s3fs.S3FileSystem(**OPTIONS)
    data = blob(12 * MIB, 8)
    with fs.open(f"{BUCKET}/s3fs/a/1", "wb", block_size=5 * MIB) as file:
        file.write(data)
    equal(fs.cat_file(f"{BUCKET}/s3fs/a/1", start=6 * MIB, end=6 * MIB + 9), data[6 * MIB : 6 * MIB + 9])
    fs.mv(f"{BUCKET}/s3fs/a/1", f"{BUCKET}/s3fs/b/2")
    fs.touch(f"{BUCKET}/s3fs/b/3")
    equal(fs.glob(f"{BUCKET}/s3fs/*/*"), [f"{BUCKET}/s3fs/b/2", f"{BUCKET}/s3fs/b/3"])
    equal(fs.checksum(f"{BUCKET}/s3fs/b/2") != 0, True)
    url = fs.sign(f"{BUCKET}/s3fs/b/2")
    equal(fsspec.filesystem("http").cat_file(url) == data, True)
    fs.rm(f"{BUCKET}/s3fs", recursive=True)
    equal(fs.exists(f"{BUCKET}/s3fs"), False)


@check("fsspec", "cat_ranges of many pieces")
def ranges():
    import fsspec

    fs = fsspec.filesystem("s3", **OPTIONS)
    data = blob(MIB, 9)
    fs.pipe_file(f"{BUCKET}/fsspec/a", data)
    starts = list(range(0, MIB, 100_000))
    found = fs.cat_ranges([f"{BUCKET}/fsspec/a"] * len(starts), starts, [at + 50 for at in starts])
    equal(found, [data[at : at + 50] for at in starts])


@check("zarr", "an array over s3fs")
def arrays():
    import numpy
    import zarr

    store = zarr.storage.FsspecStore.from_url(f"s3://{BUCKET}/zarr", storage_options={**OPTIONS, "asynchronous": True})
    array = zarr.create_array(store, shape=(100, 100), chunks=(25, 25), dtype="i4")
    array[:] = numpy.arange(10_000).reshape(100, 100)
    equal(int(zarr.open_array(store, mode="r")[50:60, 10].sum()), sum(at * 100 + 10 for at in range(50, 60)))


@check("universal_pathlib", "files and folders as paths")
def paths():
    import upath

    root = upath.UPath(f"s3://{BUCKET}/upath", **OPTIONS)
    (root / "a.txt").write_text("words")
    equal([path.name for path in root.iterdir()], ["a.txt"])
    equal((root / "a.txt").read_text(), "words")
    (root / "a.txt").unlink()
    equal((root / "a.txt").exists(), False)


@check("aioboto3", "many requests at once")
def concurrent():
    import aioboto3

    async def work():
        session = aioboto3.Session(ACCESS_KEY, SECRET_KEY, region_name=REGION)
        async with session.client("s3", endpoint_url=ENDPOINT) as client:
            put = [client.put_object(Bucket=BUCKET, Key=f"aioboto3/{at}", Body=b"%d" % at) for at in range(40)]
            await asyncio.gather(*put)

            async def read(at):
                found = await client.get_object(Bucket=BUCKET, Key=f"aioboto3/{at}")
                return await found["Body"].read()

            equal(await asyncio.gather(*map(read, range(40))), [b"%d" % at for at in range(40)])

    asyncio.run(work())


run()
