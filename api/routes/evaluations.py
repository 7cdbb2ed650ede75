"""Evaluation routes: list and get scores of encoders and baselines."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from sqlalchemy import and_, or_, select

from api.auth import Reader, Route
from api.ownership import owned
from api.paging import PageQuery, link_next, page_of
from api.schemas.base import Page
from api.schemas.library import EvaluationResponse
from api.service import ServiceOf
from core.jobs.database import reading
from core.jobs.tables.artifacts import CorpusRow, EncoderRow, EvaluationRow
from core.specs.fields import Name

router = APIRouter(tags=["evaluations"], route_class=Route)


class EvaluationQuery(PageQuery):
    """Which evaluations to list."""

    encoder: Name | None = None
    """Only of this encoder, by id (also of a deleted encoder), or of every version of this name."""
    corpus: Name | None = None
    """Only on this corpus, by id (also of a deleted corpus) or by name."""


@router.get("/evaluations")
def list_evaluations(
    request: Request,
    response: Response,
    query: Annotated[EvaluationQuery, Query()],
    caller: Reader,
    service: ServiceOf,
) -> Page[EvaluationResponse]:
    """List your evaluations, newest first."""
    these = select(EvaluationRow).where(EvaluationRow.owner == caller.owner)
    for row_type, column, wanted in (
        (EncoderRow, EvaluationRow.encoder_id, query.encoder),
        (CorpusRow, EvaluationRow.corpus_id, query.corpus),
    ):
        if wanted is not None:
            mine = select(row_type.id).where(row_type.owner == caller.owner)
            named = and_(row_type.name == wanted, row_type.deleted_at.is_(None))
            these = these.where(column.in_(mine.where(or_(row_type.id == wanted, named))))
    with reading(service.engine) as session:
        rows, next_cursor = page_of(session, these, EvaluationRow, query)
    link_next(request, response, next_cursor)
    evaluations = [EvaluationResponse.in_list(row) for row in rows]
    return Page(data=evaluations, next_cursor=next_cursor, has_more=next_cursor is not None)


@router.get("/evaluations/{evaluation_id}")
def get_evaluation(evaluation_id: str, caller: Reader, service: ServiceOf) -> EvaluationResponse:
    """Get an evaluation, with its tables: scores per gloss and signer, ranks per clip, and confusions."""
    with reading(service.engine) as session:
        row = owned(session, EvaluationRow, evaluation_id, caller, noun="evaluation")
        return EvaluationResponse.of(row)
