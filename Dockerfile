# Two images from one file. `api` holds the API and the reconciler and has no torch; `worker` trains.
#   docker build --target api -t signforge-api .
#   docker build --target worker -t signforge-worker .
# With --build-arg OTEL=1 both can send traces.
FROM python:3.11-slim AS source
WORKDIR /app
RUN useradd --create-home --uid 10001 signforge && mkdir /artifacts && chown signforge /artifacts
COPY requirements-api.txt requirements-otel.txt requirements.txt pyproject.toml README.md LICENSE ./

FROM source AS api
ARG OTEL=""
RUN pip install --no-cache-dir -r requirements-api.txt ${OTEL:+-r requirements-otel.txt}
COPY core core
COPY api api
COPY worker worker
RUN pip install --no-cache-dir --no-deps .
USER signforge
ENV SIGNFORGE_HOST=0.0.0.0 SIGNFORGE_ARTIFACTS=/artifacts
EXPOSE 8765
HEALTHCHECK CMD python -c "import urllib.request as r; r.urlopen('http://127.0.0.1:8765/healthz')"
CMD ["python", "-m", "api.main"]

FROM source AS worker
# The native kernels are built at first use, and torch.compile calls a C++ compiler.
RUN apt-get update && apt-get install -y --no-install-recommends g++ && rm -rf /var/lib/apt/lists/*
ARG OTEL=""
RUN pip install --no-cache-dir -r requirements.txt ${OTEL:+-r requirements-otel.txt}
COPY core core
COPY worker worker
RUN pip install --no-cache-dir --no-deps .
USER signforge
ENV SIGNFORGE_ARTIFACTS=/artifacts
STOPSIGNAL SIGTERM
CMD ["python", "-m", "worker.main"]
