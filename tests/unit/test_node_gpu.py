"""Reading nvidia-smi. The lines are written by hand after its documentation; no GPU was at hand."""

import pytest

from inference_service.node.gpu import FIELDS, GpuError, faults, parse

A10G = "0, NVIDIA A10G, 580.95.05, 8.6, 23028, 512, 31, 0, 0, No, No"
T4 = "1, Tesla T4, 580.95.05, 7.5, 15360, 0, 28, 0, 0, [N/A], [N/A]"


def test_each_line_is_a_gpu():
    first, second = parse(f"{A10G}\n{T4}\n")
    assert (first.index, first.name, first.compute_capability) == (0, "NVIDIA A10G", 8.6)
    assert (first.memory_total_mib, first.memory_free_mib) == (23028, 22516)
    assert (second.remap_pending, second.remap_failed, faults(second)) == (False, False, [])


def test_what_a_model_does_not_report_is_none():
    cells = dict(zip(FIELDS, T4.split(", "), strict=True)) | {
        "temperature.gpu": "[N/A]",
        "ecc.errors.uncorrected.volatile.total": "[Not Supported]",
        "compute_cap": "[N/A]",
    }
    (gpu,) = parse(", ".join(cells.values()))
    assert (gpu.temperature_celsius, gpu.uncorrected_ecc_errors, gpu.compute_capability) == (None, None, None)


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("ecc.errors.uncorrected.volatile.total", "3", "3 uncorrected memory errors"),
        ("remapped_rows.pending", "Yes", "reset the GPU"),
        ("remapped_rows.failure", "Yes", "replace the instance"),
    ],
)
def test_a_gpu_that_is_not_to_be_trusted_says_why(field: str, value: str, words: str):
    cells = dict(zip(FIELDS, A10G.split(", "), strict=True)) | {field: value}
    (gpu,) = parse(", ".join(cells.values()))
    (problem,) = faults(gpu)
    assert words in problem
    assert "GPU 0 (NVIDIA A10G)" in problem


@pytest.mark.parametrize(
    "text", ["No devices were found", "0, NVIDIA A10G", A10G.replace("23028", "[GPU requires reset]")]
)
def test_what_cannot_be_read_is_an_error_that_shows_it(text: str):
    with pytest.raises(GpuError, match="nvidia-smi answered"):
        parse(text)


def test_no_output_is_no_gpu():
    assert parse("") == ()
