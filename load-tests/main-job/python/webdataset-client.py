"""WebDataset: reads shards sample by sample, and writes one, through `aws s3 cp` as it documents."""

import hashlib
import shlex

import job
import webdataset


def connect(settings):
    bucket = settings["bucket"]
    aws = f"{shlex.quote(settings['aws'])} --endpoint-url {settings['endpoint']}"

    def samples_of(url):
        """SHA-256 of every field of every sample."""
        return {
            f"{sample['__key__']}.{field}": hashlib.sha256(sample[field]).hexdigest()
            for sample in webdataset.WebDataset(url, shardshuffle=False)
            for field in sample
            if not field.startswith("__")
        }

    def compare_samples(key, path):
        remote = samples_of(f"pipe:{aws} s3 cp s3://{bucket}/{key} -")
        local = samples_of(path)
        return {"samples": len(remote), "equal": remote == local}

    def write_shard(path, key):
        """Reads a local shard and writes its samples as a new one."""
        target = f"pipe:{aws} s3 cp - s3://{bucket}/{key}"
        with webdataset.TarWriter(target) as writer:
            count = 0
            for sample in webdataset.WebDataset(path, shardshuffle=False):
                writer.write({name: sample[name] for name in sample if not is_local(name)})
                count += 1
        return count

    def is_local(name):
        return name.startswith("__") and name != "__key__"

    return {"compare-samples": compare_samples, "write-shard": write_shard}


job.run(connect)
