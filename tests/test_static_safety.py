"""Nothing in ganctl reads a pickle, runs a text or a shell, or downloads without a hash: looked up in its syntax."""

import ast
from pathlib import Path

import pytest

import ganctl

PACKAGE = Path(ganctl.__file__).parent
FORBIDDEN_MODULES = {
    "pickle", "_pickle", "cPickle", "dill", "cloudpickle", "shelve", "marshal", "joblib", "pickletools", "jsonpickle",
    "torch.package", "multiprocessing", "code", "codeop", "runpy",
}  # fmt: skip
# Where a module is allowed although it may do harm, and why.
ALLOWED = {
    ("evaluation/pickled.py", "pickletools"),  # splits a pickle into words and carries none of them out
    ("studies/cells.py", "multiprocessing"),  # connections to processes of our own
    ("studies/workers.py", "multiprocessing"),
}
FORBIDDEN_CALLS = {
    "eval": "runs a text",
    "exec": "runs a text",
    "compile": "prepares a text to run",
    "__import__": "imports what a text names",
    "builtins.eval": "runs a text",
    "builtins.exec": "runs a text",
    "builtins.compile": "prepares a text to run",
    "torch.load": "reads a pickle",
    "torch.jit.load": "reads a program",
    "torch.export.load": "reads a program",
    "torch.hub.load": "runs code of others",
    "torch.hub.load_state_dict_from_url": "reads a pickle",
    "yaml.load": "may build any object",
    "yaml.load_all": "may build any object",
    "yaml.unsafe_load": "builds any object",
    "yaml.unsafe_load_all": "builds any object",
    "yaml.full_load": "builds many objects",
    "yaml.full_load_all": "builds many objects",
    "os.system": "runs a shell",
    "os.popen": "runs a shell",
    "subprocess.getoutput": "runs a shell",
    "subprocess.getstatusoutput": "runs a shell",
    "pandas.read_pickle": "reads a pickle",
}
# Of modules of this beginning, names that must not even be handed on.
NUMPY_READERS = {"numpy.load", "numpy.lib.npyio.load", "numpy.lib.format.read_array"}
NEEDS_HASH = {"torch.hub.download_url_to_file": ("hash_prefix", 2)}


def known_names(tree):
    """What each name of a file stands for, with its module: np -> numpy, load -> torch.load."""
    found = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                words = alias.name if alias.asname else alias.name.split(".")[0]
                found[alias.asname or words] = words
        elif isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                found[alias.asname or alias.name] = f"{node.module}.{alias.name}"
    return found


def dotted(node, names):
    """The full name of an expression such as np.load; None where it is no such chain."""
    if isinstance(node, ast.Name):
        return names.get(node.id, node.id)
    if isinstance(node, ast.Attribute):
        start = dotted(node.value, names)
        return None if start is None else f"{start}.{node.attr}"
    return None


def imported(node):
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom) and node.module:
        return [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
    return []


def forbidden_import(module, file):
    words = module.split(".")
    for length in range(1, len(words) + 1):
        name = ".".join(words[:length])
        if name in FORBIDDEN_MODULES and (file, name) not in ALLOWED:
            return name
    return None


def is_constant(node, value):
    return isinstance(node, ast.Constant) and node.value is value


def offences(text, file="some.py"):
    """What is unsafe in a file's text, each with its line."""
    tree = ast.parse(text)
    names, found = known_names(tree), []
    for node in ast.walk(tree):
        found += [(node.lineno, name) for module in imported(node) if (name := forbidden_import(module, file))]
        if isinstance(node, (ast.Name, ast.Attribute)) and isinstance(
            node.ctx, ast.Load
        ):  # called, or handed on under another name
            name = dotted(node, names)
            if name in FORBIDDEN_CALLS:
                found.append((node.lineno, f"{name} {FORBIDDEN_CALLS[name]}"))
        if not isinstance(node, ast.Call):
            continue
        name, given = dotted(node.func, names) or "", {word.arg: word.value for word in node.keywords}
        if name in NUMPY_READERS and not is_constant(given.get("allow_pickle"), False):
            found.append((node.lineno, f"{name} without allow_pickle=False"))
        if "shell" in given and not is_constant(given["shell"], False):
            found.append((node.lineno, f"{name} with a shell"))
        if is_constant(given.get("weights_only"), False) or is_constant(given.get("allow_pickle"), True):
            found.append((node.lineno, f"{name} allows a pickle"))
        if name in NEEDS_HASH:
            keyword, place = NEEDS_HASH[name]
            if keyword not in given and len(node.args) <= place:
                found.append((node.lineno, f"{name} without a hash"))
        if name.endswith(("download_url", "download_and_extract_archive")) and "md5" not in given:
            found.append((node.lineno, f"{name} without a hash"))
        if name == "importlib.import_module" and file != "assembly/plugins.py":
            found.append((node.lineno, "imports what a text names"))
    return sorted(set(found))


@pytest.mark.parametrize("file", sorted(PACKAGE.rglob("*.py")), ids=lambda file: str(file.relative_to(PACKAGE)))
def test_nothing_unsafe_is_in_this_file(file):
    found = offences(file.read_text(), file.relative_to(PACKAGE).as_posix())
    assert not found, "\n".join(f"{file}:{line}: {what}" for line, what in found)


@pytest.mark.parametrize(
    "text",
    [
        "import pickle", "import pickle as p", "from pickle import loads", "import _pickle", "import cPickle",
        "import dill", "import cloudpickle", "from cloudpickle import load", "import shelve", "import marshal",
        "import joblib", "from joblib import load", "def f():\n    import pickle",
        "try:\n    import dill\nexcept E: 1", "import pickletools", "from torch import package",
        "import torch.package", "import torch\ntorch.load(f)", "import torch\ntorch.load(f, weights_only=True)",
        "import torch as t\nt.load(f)", "from torch import load\nload(f)", "from torch import load as read\nread(f)",
        "import torch\nread = torch.load", "import torch\nmap(torch.load, files)", "import torch\ntorch.jit.load(f)",
        "from torch import hub\nhub.load(a, b)", "import torch\ntorch.hub.load(a, b)",
        "import torch.hub\ntorch.hub.load_state_dict_from_url(u)",
        "from torch.hub import load_state_dict_from_url as get\nget(u)",
        "import torch\ntorch.hub.load_state_dict_from_url(u)", "import torch\ntorch.hub.download_url_to_file(u, f)",
        "from torchvision.datasets.utils import download_and_extract_archive as d\nd(u, r)",
        "import numpy as np\nnp.load(f)", "import numpy\nnumpy.load(f)",
        "import numpy as np\nnp.load(f, allow_pickle=True)", "import numpy as np\nnp.load(f, allow_pickle=x)",
        "from numpy import load\nload(f)", "import yaml\nyaml.load(t)",
        "import yaml\nyaml.load(t, Loader=yaml.SafeLoader)", "import yaml\nyaml.unsafe_load(t)",
        "import yaml\nyaml.full_load(t)", "from yaml import load\nload(t)", "import yaml as y\ny.load(t, y.Loader)",
        "import yaml\nyaml.load_all(t)", "eval(t)", "exec(t)", "compile(t, n, 'exec')", "run = eval",
        "import builtins\nbuiltins.eval(t)", "__import__(t)", "import os\nos.system(c)",
        "from os import system\nsystem(c)", "import os\nos.popen(c)",
        "import subprocess\nsubprocess.run(c, shell=True)", "import subprocess as s\ns.Popen(c, shell=x)",
        "from subprocess import check_output\ncheck_output(c, shell=1)", "import subprocess\nsubprocess.getoutput(c)",
        "import multiprocessing", "from multiprocessing.connection import Client", "import multiprocessing.managers",
        "import importlib\nimportlib.import_module(t)", "f(weights_only=False)", "f(allow_pickle=True)",
    ],
)  # fmt: skip
def test_each_of_these_is_noticed(text):
    assert offences(text)


@pytest.mark.parametrize(
    "text",
    [
        "import json\njson.load(f)", "import yaml\nyaml.safe_load(t)", "import yaml\nyaml.parse(t, yaml.SafeLoader)",
        "import yaml\nyaml.dump(v, Dumper=D)", "import torch\ntorch.compile(f)", "network.compile(dynamic=False)",
        "import re\nre.compile(p)", "network.eval()", "import numpy as np\nnp.load(f, allow_pickle=False)",
        "import numpy as np\nnp.loadtxt(f)", "from safetensors.torch import load_file\nload_file(f)",
        "from ganctl.config.load import load\nload([])", "network.load_state_dict(s)",
        "import subprocess\nsubprocess.run([c])", "import torch\ntorch.hub.download_url_to_file(u, f, digits)",
        "import torch\ntorch.save(a, f)", "import torch\ntorch.hub.download_url_to_file(u, f, hash_prefix=d)",
        "'pickle.load'", "# eval(x)",
    ],
)  # fmt: skip
def test_what_only_looks_like_it_is_not(text):
    assert offences(text) == []


def test_what_is_allowed_is_allowed_in_its_file_alone_and_still_used():
    for file, module in ALLOWED:
        assert offences(f"import {module}") and not offences(f"import {module}", file)
        text = (PACKAGE / file).read_text()
        assert module in {name.split(".")[0] for node in ast.walk(ast.parse(text)) for name in imported(node)}
