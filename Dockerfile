# Two images from one file. `api` holds the API and the reconciler and has no torch; `worker` trains.
#   docker build --target api -t signforge-api .
#   docker build --target worker -t signforge-worker .
# With --build-arg OTEL=1 both can send traces. Both run as a user without rights and hold no secret: passwords
# and keys come by environment variables when a container starts.
FROM python:3.11-slim AS wheel
WORKDIR /source
COPY pyproject.toml setup.py relocation.py long_description.py MANIFEST.in README.md LICENSE ./
COPY core core
COPY api api
COPY worker worker
COPY signforge signforge
RUN pip wheel --no-cache-dir --no-deps --wheel-dir /dist .

FROM python:3.11-slim AS base
RUN useradd --create-home --uid 10001 signforge && mkdir /artifacts && chown signforge /artifacts
COPY requirements-api.txt requirements-otel.txt requirements.txt requirements-lock.txt /pins/
WORKDIR /home/signforge
ENV SIGNFORGE_ARTIFACTS=/artifacts

FROM base AS api
ARG OTEL=""
RUN pip install --no-cache-dir -c /pins/requirements-lock.txt -r /pins/requirements-api.txt ${OTEL:+-r /pins/requirements-otel.txt}
COPY --from=wheel /dist /dist
RUN set -- /dist/*.whl && pip install --no-cache-dir -c /pins/requirements-lock.txt "$1[api]"
USER signforge
ENV SIGNFORGE_HOST=0.0.0.0
EXPOSE 8765
HEALTHCHECK --interval=15s --timeout=10s --start-period=60s CMD ["signforge", "health", "api"]
CMD ["signforge", "api"]

FROM base AS worker
# The native kernels are built at first use, and torch.compile calls a C++ compiler.
RUN apt-get update && apt-get install -y --no-install-recommends g++ && rm -rf /var/lib/apt/lists/*
ARG OTEL=""
RUN pip install --no-cache-dir -c /pins/requirements-lock.txt -r /pins/requirements.txt ${OTEL:+-r /pins/requirements-otel.txt}
COPY --from=wheel /dist /dist
RUN set -- /dist/*.whl && pip install --no-cache-dir -c /pins/requirements-lock.txt "$1[worker]"
USER signforge
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=20s --start-period=120s CMD ["signforge", "health", "worker"]
CMD ["signforge", "worker"]
