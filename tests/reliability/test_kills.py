"""However often a run is killed, and at whatever: it ends as the run that nobody killed, bit for bit."""

import random
import signal
import subprocess
import sys
import time

import pytest

from tests.conftest import TINY, ganctl
from tests.reliability.checks import Result, assert_readable, the_run
from tests.reliability.kills import EVERYTHING, SEED, Kills, rounds_wanted
from tests.reliability.processes import served, until

pytestmark = pytest.mark.slow


# Of the seeds, 58 aims at each kind of moment once, and kills runs of both studies.
@pytest.mark.parametrize(("rounds", "seed"), [(5, 58), pytest.param(24, SEED, marks=pytest.mark.long)])
def test_runs_killed_at_random_moments_end_as_if_nobody_had_killed_them(tmp_path, rounds, seed):
    with served(tmp_path) as server:
        kills = Kills(server, tmp_path, seed)
        kills.rounds(rounds_wanted(rounds))
    assert kills.killed >= rounds or rounds_wanted(rounds) < rounds
    assert len(kills.stages) >= 3, kills.stages
    assert kills.resumed >= kills.killed // 3


WORDS = [*TINY, *EVERYTHING[:5], "name=run"]


@pytest.mark.long
def test_whole_processes_killed_in_a_checkpoint_and_at_random_end_the_same(tmp_path):
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    whole.mkdir()
    cut.mkdir()
    done = ganctl("train", *WORDS, cwd=whole)
    assert done.returncode == 0, done.stderr
    moments = random.Random(0)
    words = ["train", *WORDS]
    for number in range(3):
        process = subprocess.Popen([sys.executable, "-m", "ganctl", *words], cwd=cut, stderr=subprocess.DEVNULL)

        assert until(lambda: next(cut.glob("outputs/*/*/checkpoints/.step-*.tmp"), None) is not None, pause=0.0003)
        time.sleep(moments.uniform(0, 0.004 * number))
        process.kill()
        assert process.wait() == -signal.SIGKILL
        assert_readable(the_run(cut))
        words = ["train", "--resume", str(the_run(cut))]
    done = ganctl(*words, cwd=cut)
    assert done.returncode == 0, done.stderr
    Result(the_run(cut)).assert_same(Result(the_run(whole)))
