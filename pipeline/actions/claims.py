"""Verdicts on claims from the evidence of a workspace."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from pipeline.claims.catalogue import Catalogue, catalogues_of
from pipeline.claims.claim_records import evidence_of
from pipeline.claims.judging import judge_all
from pipeline.claims.verdicts import ClaimVerdict
from pipeline.errors import unknown_name
from pipeline.reporting.charts.chart import Figure
from pipeline.reporting.charts.claims import figures_of_claims
from pipeline.workspace import Workspace


@dataclass(frozen=True)
class JudgedClaims:
    """Verdicts on claims, and where their evidence comes from.

    Attributes:
        elsewhere: names of the published records among the evidence.
        left_out: experiment or timing -> why its record was not used.
    """

    verdicts: list[ClaimVerdict]
    elsewhere: list[str]
    left_out: Mapping[str, str]


def judge_claims(workspace: Workspace, identifier: str | None = None) -> JudgedClaims:
    """Judge all claims, or one. Raises UsageError, naming the nearest claim, if there is no such claim."""
    source, own = catalogues_of(workspace)
    wanted = None if identifier is None else _known(identifier, source, own)
    found = evidence_of(workspace, own)
    verdicts = [claim for claim in judge_all(source, own, found.evidence) if wanted in (None, claim.id.upper())]
    used = {item.partition(" ")[2] for claim in verdicts for item in claim.evidence}  # items as "experiment NAME"
    left_out = {name: reason for name, reason in found.left_out.items() if wanted is None or name in used}
    return JudgedClaims(verdicts, [name for name in found.elsewhere if name in used], left_out)


def claim_figures(workspace: Workspace, identifier: str) -> list[Figure]:
    """The report's figures for one claim; none if nothing was measured for it. Raises UsageError likewise."""
    source, own = catalogues_of(workspace)
    wanted = _known(identifier, source, own)
    claims = {name: claim for name, claim in {**source.claims, **own.claims}.items() if name.upper() == wanted}
    return list(figures_of_claims(replace(own, claims=claims), evidence_of(workspace, own).evidence).values())


def _known(identifier: str, *catalogues: Catalogue) -> str:
    names = [name.upper() for catalogue in catalogues for name in catalogue.claims]
    if identifier.upper() not in names:
        raise unknown_name("claim", identifier.upper(), names)
    return identifier.upper()
