"""Readers and writers of tables over S3: DuckDB, Polars, Delta Lake, and obstore below them."""

import hashlib

import deltalake
import duckdb
import job
import obstore
import polars
import pyarrow.parquet as parquet
from duckdb_extensions import import_extension
from obstore.store import S3Store

TOTALS = "count(*)::BIGINT, sum(delay)::BIGINT, sum(distance)::BIGINT"


def connect(settings):
    bucket = settings["bucket"]
    endpoint = settings["endpoint"]
    options = {
        "aws_access_key_id": settings["accessKey"],
        "aws_secret_access_key": settings["secretKey"],
        "aws_region": settings["region"],
        "aws_endpoint_url": endpoint,
        "aws_allow_http": "true",
    }

    def open_duckdb():
        import_extension("httpfs")
        database = duckdb.connect()
        database.execute("LOAD httpfs")
        database.execute(
            f"""CREATE SECRET (TYPE s3, KEY_ID '{settings["accessKey"]}',
                SECRET '{settings["secretKey"]}', REGION '{settings["region"]}',
                ENDPOINT '{endpoint.split("://")[1]}', URL_STYLE 'path', USE_SSL false)"""
        )
        return database

    def duckdb_totals(key, path):
        """Sums over a Parquet table through S3, and over the local file."""
        database = open_duckdb()
        totals = [
            database.execute(f"SELECT {TOTALS} FROM read_parquet('{source}')").fetchone()
            for source in (f"s3://{bucket}/{key}", path)
        ]
        return {"rows": totals[0][0], "equal": totals[0] == totals[1]}

    def duckdb_write(path, key):
        """Writes part of a table to S3 and reads it back."""
        database = open_duckdb()
        source = f"SELECT * FROM read_parquet('{path}') LIMIT 10000"
        database.execute(f"COPY ({source}) TO 's3://{bucket}/{key}' (FORMAT parquet)")
        (rows,) = database.execute(f"SELECT count(*) FROM read_parquet('s3://{bucket}/{key}')").fetchone()
        return {"rows": rows}

    def polars_totals(key, path):
        """The same sums by a lazy scan, which reads the columns it needs by ranges."""
        columns = [polars.len(), polars.col("delay").sum(), polars.col("distance").sum()]
        remote = polars.scan_parquet(f"s3://{bucket}/{key}", storage_options=options)
        local = polars.scan_parquet(path)
        found = remote.select(columns).collect()
        return {"rows": found["len"][0], "equal": found.equals(local.select(columns).collect())}

    def delta_table(path, folder):
        """Makes a Delta table, appends to it, and reads both versions."""
        url = f"s3://{bucket}/{folder}"
        rows = parquet.read_table(path, columns=["delay", "distance"]).slice(0, 1000)
        conditional = {**options, "aws_conditional_put": "etag"}
        deltalake.write_deltalake(url, rows, storage_options=conditional)
        deltalake.write_deltalake(url, rows, mode="append", storage_options=conditional)
        table = deltalake.DeltaTable(url, storage_options=options)
        first = deltalake.DeltaTable(url, version=0, storage_options=options)
        return {
            "version": table.version(),
            "rows": table.to_pyarrow_table().num_rows,
            "firstRows": first.to_pyarrow_table().num_rows,
        }

    def open_obstore():
        return S3Store(
            bucket,
            endpoint=endpoint,
            access_key_id=settings["accessKey"],
            secret_access_key=settings["secretKey"],
            region=settings["region"],
            client_options={"allow_http": True},
        )

    def obstore_read(key, path):
        """Reads an object whole and by ranges, and compares it with the local file."""
        store = open_obstore()
        with open(path, "rb") as file:
            local = file.read()
        whole = obstore.get(store, key).bytes()
        middle = obstore.get_range(store, key, start=1000, length=5000)
        size = obstore.head(store, key)["size"]
        return {
            "equal": bytes(whole) == local and bytes(middle) == local[1000:6000],
            "sizeBytes": size,
        }

    def obstore_write(path, folder):
        """Writes an object in parts, copies, renames and deletes; says what is left."""
        store = open_obstore()
        with open(path, "rb") as file:
            obstore.put(store, f"{folder}/first", file, chunk_size=5 * 1024 * 1024)
        obstore.copy(store, f"{folder}/first", f"{folder}/second")
        obstore.rename(store, f"{folder}/second", f"{folder}/third")
        obstore.delete(store, f"{folder}/first")
        left = [meta["path"] for page in obstore.list(store, prefix=folder) for meta in page]
        sha256 = hashlib.sha256(bytes(obstore.get(store, f"{folder}/third").bytes()))
        return {"left": left, "sha256": sha256.hexdigest()}

    def obstore_create(key):
        """Creates an object twice; the second time it must be refused."""
        store = open_obstore()
        obstore.put(store, key, b"one", mode="create")
        try:
            obstore.put(store, key, b"two", mode="create")
        except obstore.exceptions.AlreadyExistsError:
            return {"second": "refused", "is": bytes(obstore.get(store, key).bytes()).decode()}
        return {"second": "taken"}

    return {
        "duckdb-totals": duckdb_totals,
        "duckdb-write": duckdb_write,
        "polars-totals": polars_totals,
        "delta-table": delta_table,
        "obstore-read": obstore_read,
        "obstore-write": obstore_write,
        "obstore-create": obstore_create,
    }


job.run(connect)
