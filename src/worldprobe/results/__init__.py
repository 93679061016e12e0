"""What a run found: one model a kind, one line of ``results.jsonl`` each."""

from worldprobe.results.decoding import (
    DecodingBaseline,
    DecodingMetric,
    DecodingResult,
)
from worldprobe.results.file import (
    KINDS,
    AnyResult,
    KnownResult,
    first_problem,
    read_results,
    write_results,
)
from worldprobe.results.line import (
    FEW_GROUPS,
    CostResult,
    OtherResult,
    Result,
)
from worldprobe.results.prediction import (
    EnergyResult,
    LeakResult,
    PredictionMethod,
    PredictionMetric,
    PredictionResult,
    SurpriseResult,
)
from worldprobe.results.probe import (
    WATERFALL,
    CodeResult,
    EvidenceLine,
    EvidenceResult,
    LearningPoint,
    LearningResult,
    Measure,
    Metric,
    PowerResult,
    ProbeResult,
    UnlabelledResult,
    Verdict,
    VerdictResult,
)

__all__ = [
    "FEW_GROUPS",
    "KINDS",
    "WATERFALL",
    "AnyResult",
    "CodeResult",
    "CostResult",
    "DecodingBaseline",
    "DecodingMetric",
    "DecodingResult",
    "EnergyResult",
    "EvidenceLine",
    "EvidenceResult",
    "KnownResult",
    "LeakResult",
    "LearningPoint",
    "LearningResult",
    "Measure",
    "Metric",
    "OtherResult",
    "PowerResult",
    "PredictionMethod",
    "PredictionMetric",
    "PredictionResult",
    "ProbeResult",
    "Result",
    "SurpriseResult",
    "UnlabelledResult",
    "Verdict",
    "VerdictResult",
    "first_problem",
    "read_results",
    "write_results",
]
