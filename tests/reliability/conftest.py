"""What the tests of faults share."""

import pytest

from tests.reliability.faults import Faults, NoCompiler, compiled
from tests.reliability.processes import served


@pytest.fixture(scope="module")
def faults(tmp_path_factory):
    """The undisturbed runs, in processes with the failing file layer."""
    scratch = tmp_path_factory.mktemp("faults")
    try:
        library = compiled(scratch)
    except NoCompiler as error:
        pytest.skip(str(error))
    with served(scratch, library) as server:
        yield Faults(server, scratch)
