"""Memory that is freed stays with the process."""

import resource

import pytest
import torch

from worldprobe.execute.heap import keep_freed_memory


def test_memory_that_was_freed_is_taken_again_without_new_pages():
    if not keep_freed_memory():
        pytest.skip("no glibc here")

    def faults():
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        torch.ones(12 * 2**20)  # 48 MB, 12,288 pages: of so many glibc keeps none by itself
        return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

    found = [faults() for _ in range(9)]  # the first ones grow the heap
    assert sorted(found[4:])[2] < 2000, found
