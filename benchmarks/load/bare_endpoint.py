"""The least that FastAPI and SQLAlchemy need to read a job: what the API's own polls are compared with.

    python benchmarks/load/bare_endpoint.py DATABASE_URL PORT

No API keys, no place in the queue, no limits, no log: one session, one row, one response model.
"""

import sys
from datetime import datetime
from typing import Any

import uvicorn
from fastapi import FastAPI, HTTPException
from pydantic import BaseModel, ConfigDict
from sqlalchemy.orm import Session

from core.jobs.database import open_database
from core.jobs.tables.jobs import JobRow


class Job(BaseModel):
    """The columns of a job that a poll shows."""

    model_config = ConfigDict(from_attributes=True)

    id: str
    kind: str
    state: str
    status_reason: str | None
    status_message: str | None
    spec: dict[str, Any]
    resolved_spec: dict[str, Any] | None
    progress: dict[str, Any] | None
    attempt: int
    priority: int
    deadline_at: datetime | None
    retry_of: str | None
    num_devices: int
    request_id: str | None
    result: dict[str, Any] | None
    created_at: datetime
    updated_at: datetime
    started_at: datetime | None
    finished_at: datetime | None


def main() -> None:
    """Serve `GET /jobs/{job_id}` with the server that uvicorn chooses."""
    engine, app = open_database(sys.argv[1]), FastAPI()

    @app.get("/jobs/{job_id}", response_model=Job)
    def get_job(job_id: str) -> JobRow:
        with Session(engine.execution_options(reads_only=True)) as session:
            row = session.get(JobRow, job_id)
            if row is None:
                raise HTTPException(404)
            return row

    uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[2]), log_level="warning", access_log=False)


if __name__ == "__main__":
    main()
