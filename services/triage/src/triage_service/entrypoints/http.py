"""`/api/triage`: which rules are in force."""

from collections.abc import Sequence

from fastapi import APIRouter

from triage_service.domain.rules import Rule


def rules_router(rules: Sequence[Rule]) -> APIRouter:
    """The rules, in the order in which they count."""
    router = APIRouter(prefix="/api/triage", tags=["rules"])

    @router.get("/rules")
    async def show() -> list[Rule]:
        return list(rules)

    return router
