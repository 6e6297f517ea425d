"""AIStore's messages about archives, summaries, inventories and files, by its own Python client."""

import io
import json
import sys
import tarfile

from aistore import Client
from aistore.sdk.archive_config import ArchiveConfig, ArchiveMode
from aistore.sdk.errors import AISError

MEMBERS = {"train/a.cls": b"7", "train/a.jpg": b"picture", "train/b.jpg": b"x" * 200_000}


def tar(mode):
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode=mode) as archive:
        for name, content in MEMBERS.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return packed.getvalue()


def untar(packed):
    with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
        return {member.name: len(archive.extractfile(member).read()) for member in archive}


def finished(client, job_id):
    return client.job(job_id=job_id).wait(timeout=60).success


def names(bucket):
    return sorted(entry.name for entry in bucket.list_all_objects())


def refusal(call):
    try:
        call()
    except AISError as error:
        return type(error).__name__
    return None


def archives(bucket):
    answers = {}
    for name, mode in {"s.tar": "w", "s.tgz": "w:gz"}.items():
        shard = bucket.object(name)
        shard.get_writer().put_content(tar(mode))
        one = ArchiveConfig(archpath="train/a.jpg")
        some = ArchiveConfig(regex="train/a", mode=ArchiveMode.WDSKEY)
        absent = ArchiveConfig(archpath="train/c.jpg")
        answers[name] = [
            shard.get_reader(archive_config=one).read_all().decode(),
            untar(shard.get_reader(archive_config=some).read_all()),
            refusal(lambda: shard.get_reader(archive_config=absent).read_all()),
            [entry.name for entry in bucket.list_archive(name, page_size=2)],
        ]
    return answers


def summaries(bucket):
    summary = bucket.summary(cached=False)
    _, info = bucket.info()
    return [
        [one["ObjCount"], one["TotalSize"]["size_all_present_objs"], one["is_present"]]
        for one in (summary, info)
    ]


def inventories(client, bucket):
    created = bucket.create_inventory(name="shelf")
    answers = {"made": finished(client, created)}
    [shown] = bucket.show_inventory("shelf").values()
    answers["shown"] = [shown.bucket, shown.name, shown.ntotal, shown.finished >= shown.started > 0]
    listed = bucket.list_all_objects(inventory_name="shelf")
    answers["listed"] = sorted(entry.name for entry in listed)
    bucket.destroy_inventory("shelf")
    answers["after"] = bucket.show_inventory()
    return answers


def main():
    given = json.load(sys.stdin)
    client = Client(given["endpoint"])
    bucket = client.bucket("messages").create(exist_ok=True)
    answers = {"archives": archives(bucket), "summaries": summaries(bucket)}

    bucket.object("s.tar").copy(bucket.object("copies/t.tar"))
    promoted = bucket.object("files").promote(given["folder"], recursive=True)
    answers["promoted"] = [finished(client, promoted), names(bucket)]
    answers["closed"] = refusal(lambda: bucket.object("x").promote("/etc"))

    remote = client.bucket("remote", provider="aws")
    answers["inventories"] = inventories(client, remote)
    blob = remote.object("small").blob_download(num_workers=2, latest=True)
    answers["blob"] = [finished(client, blob), remote.object("small").props.present]
    json.dump(answers, sys.stdout)


main()
