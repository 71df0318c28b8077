"""The wheel carries the configuration and works from any folder."""

import os
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

from tests.conftest import TINY

PROJECT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(PROJECT)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    (file,) = folder.glob("ganctl-*.whl")
    return file


@pytest.mark.slow
def test_the_wheel_carries_conf_and_the_template(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    source = {
        f"ganctl/conf/{path.relative_to(PROJECT / 'conf').as_posix()}" for path in (PROJECT / "conf").rglob("*.yaml")
    }
    assert source <= set(names)
    assert "ganctl/report/report.html.jinja" in names
    assert not [name for name in names if name.startswith(("tests", "outputs"))]


@pytest.mark.slow
def test_an_installed_wheel_trains_samples_and_compares_from_any_folder(wheel, tmp_path):
    # A clean environment with the wheel alone; what it depends on is lent by this one through its path, which carries
    # no other ganctl: the entry of an editable install is not followed from there.
    venv.create(tmp_path / "clean")
    python = tmp_path / "clean" / "bin" / "python"
    install = [sys.executable, "-m", "pip", "--python", python, "install", "--no-deps", "--no-index", str(wheel)]
    subprocess.run(install, check=True, capture_output=True)
    purelib = subprocess.run(
        [python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"],
        capture_output=True,
        text=True,
        check=True,
    )
    (Path(purelib.stdout.strip()) / "lent.pth").write_text(sysconfig.get_path("purelib") + "\n")
    work = tmp_path / "work"
    work.mkdir()
    clean = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}

    def run(*words):
        done = subprocess.run(
            [tmp_path / "clean" / "bin" / "ganctl", *words], cwd=work, capture_output=True, text=True, env=clean
        )
        assert done.returncode == 0, done.stderr
        return work / done.stdout.strip().splitlines()[-1]

    where = subprocess.run(
        [python, "-c", "import ganctl; print(ganctl.__file__)"], cwd=work, capture_output=True, text=True, env=clean
    )
    assert where.stdout.startswith(str(tmp_path / "clean")), where
    assert (run("train", *TINY, "steps=2") / "run.json").is_file()
    assert run("sample").is_file()
    assert (run("compare-losses", *TINY, "steps=2", "seed=0") / "report.html").is_file()
