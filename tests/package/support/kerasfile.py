"""Copies of a Keras file with something changed."""

import io
import json
import shutil
import zipfile

import h5py


def find(config, name):
    """The settings of the layer, or cell, `name` anywhere in a configuration."""
    if isinstance(config, dict):
        inner = config.get("config")
        if isinstance(inner, dict) and inner.get("name") == name:
            return inner
        for value in config.values():
            found = find(value, name)
            if found is not None:
                return found
    if isinstance(config, list):
        for value in config:
            found = find(value, name)
            if found is not None:
                return found
    return None


def entry(config, name):
    """The object of the layer `name` in the model's list."""
    return next(item for item in config["config"]["layers"] if item["config"]["name"] == name)


def rewritten(source, target, configure=None, weigh=None, members=None):
    """Copies `source` to `target`. configure(config) and weigh(h5py file) change their arguments, or configure returns
    another; members: names of the archive to replace (bytes) or to leave out (None)."""
    if source.suffix == ".h5":
        shutil.copy(source, target)
        with h5py.File(target, "r+") as file:
            if configure is not None:
                config = json.loads(file.attrs["model_config"])
                changed = configure(config)
                file.attrs["model_config"] = json.dumps(config if changed is None else changed)
            if weigh is not None:
                weigh(file)
        return target
    members = members or {}
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w") as new:
        for name in old.namelist():
            data = old.read(name)
            if name == "config.json" and configure is not None:
                config = json.loads(data)
                changed = configure(config)
                data = json.dumps(config if changed is None else changed).encode()
            if name == "model.weights.h5" and weigh is not None:
                content = io.BytesIO(data)
                with h5py.File(content, "r+") as file:
                    weigh(file)
                data = content.getvalue()
            if members.get(name, data) is not None:
                new.writestr(name, members.get(name, data))
        for name, data in members.items():
            if name not in old.namelist() and data is not None:
                new.writestr(name, data)
    return target
