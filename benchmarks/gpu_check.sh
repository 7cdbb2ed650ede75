#!/usr/bin/env bash
# Check a GPU on a machine that has PyTorch for CUDA, but neither our packages nor a network.
#
#   benchmarks/gpu_check.sh wheels FOLDER [PYTHON_VERSION]   with a network, once: collect the wheels to carry along
#   benchmarks/gpu_check.sh run OUT.json FOLDER [OPTIONS]    on that machine; OPTIONS as of gpu_check.py
#
# The machine's own torch and NumPy are used; the wheels are unpacked to a folder, and nothing is installed.
set -euo pipefail
cd "$(dirname "$0")/.."
PACKAGES=(pydantic pydantic-settings platformdirs psutil safetensors jaxtyping beartype pytest pytest-timeout pytest-xdist hypothesis numpy)

case "${1:-}" in
  wheels)
    python=${3:-3.12}
    mapfile -t pins < <(for name in "${PACKAGES[@]}"; do grep -i "^$name==" requirements-lock.txt requirements-dev.txt | head -1 | cut -d: -f2-; done)
    python3 -m pip download --quiet --only-binary=:all: --python-version "$python" \
      --platform manylinux_2_28_x86_64 --platform manylinux_2_17_x86_64 --platform manylinux2014_x86_64 \
      --dest "$2" "${pins[@]}"
    du -sh "$2"
    ;;
  run)
    out=$(realpath -m "$2") wheels=$3
    shift 3
    site=$(mktemp -d)
    trap 'rm -rf "$site"' EXIT
    for wheel in "$wheels"/*.whl; do python3 -m zipfile -e "$wheel" "$site"; done
    python3 -c "import numpy" 2> /dev/null && rm -rf "$site"/numpy "$site"/numpy-* "$site"/numpy.libs
    mkdir -p "$(dirname "$out")"
    PYTHONPATH="$PWD:$PWD/benchmarks:$site" python3 benchmarks/gpu_check.py "$out" "$@"
    ;;
  *)
    sed -n '2,6s/^# *//p' "$0"
    exit 2
    ;;
esac
