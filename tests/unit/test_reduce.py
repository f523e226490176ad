import threading

import numpy as np
import pytest
import scipy.linalg
from threadpoolctl import threadpool_info

from glmstat.data.reduce import run_blocks, single_blas_thread, tree_sum


@pytest.mark.parametrize("count", [1, 2, 3, 7, 16, 33])
def test_tree_sum_adds_everything(count):
    assert tree_sum(range(count)) == sum(range(count))


def test_tree_order_depends_on_the_number_of_parts_alone():
    class Bracket(str):
        def __add__(self, other):
            return Bracket(f"({self}{other})")

    assert tree_sum(Bracket(letter) for letter in "abcde") == "(((ab)(cd))e)"


@pytest.mark.parametrize("workers", [1, 2, 7, None])
def test_any_number_of_workers_gives_the_same_bits(workers):
    numbers = np.random.default_rng(1).normal(size=101) * 10.0 ** np.arange(-50, 51)
    assert run_blocks(lambda k: numbers[k], 101, workers) == tree_sum(iter(numbers))


def test_an_error_in_a_block_reaches_the_caller():
    def fail(block):
        if block == 3:
            raise ValueError("block 3")
        return block

    with pytest.raises(ValueError, match="block 3"):
        run_blocks(fail, 50, 4)


scipy.linalg.lapack.dpotrf(np.eye(2))  # so that its BLAS is loaded before threads are counted


def blas_threads():
    ours = ("numpy", "scipy")  # other libraries bring their own BLAS, which no fit calls
    pools = (pool for pool in threadpool_info() if pool["user_api"] == "blas")
    return [pool["num_threads"] for pool in pools if any(name in pool["filepath"] for name in ours)]


def test_blas_threads_are_left_as_found_when_uses_overlap():
    before = blas_threads()
    inside, leave = threading.Event(), threading.Event()

    def hold():
        with single_blas_thread():
            inside.set()
            leave.wait()

    other = threading.Thread(target=hold, daemon=True)
    other.start()
    inside.wait()
    with single_blas_thread():
        assert set(blas_threads()) == {1}
    assert set(blas_threads()) == {1}
    leave.set()
    other.join()
    assert blas_threads() == before
