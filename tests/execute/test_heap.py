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
        torch.ones(2**21).add_(1)  # 8 MB, 2,048 pages
        return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

    faults()
    assert sorted(faults() for _ in range(5))[2] < 200
