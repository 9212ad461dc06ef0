#!/usr/bin/env bash
# Builds the project on a machine with a GPU, from a source checkout and without a network, runs the tests and benchmarks
# of one platform and writes one JSON report. Ends with 0 if everything passed. docs/gpu/README.md says more.
#
#   benchmarks/device_check.sh --fetch DIR [--python-version 3.12]      where there is a network: fill DIR
#   benchmarks/device_check.sh --wheels DIR --report FILE               where there is a GPU
#
#   --platform NAME    CUDA (default), OpenCL, CPU or Reference
#   --wheels DIR       install what --fetch brought; without it, everything must be there already
#   --report FILE      default: build/device/report.json
#   --python PROGRAM   that has torch; default: python3
#   --build DIR        default: build/device
#   --jobs N           programs that are compiled at once, each up to 1.5 GB; default: one for each core
#   --tests REGEX      only tests whose name matches
#   --no-sanitizer     do not repeat the tests under compute-sanitizer; with --fetch, do not bring it
set -uo pipefail
cd "$(dirname "$0")/.." || exit

platform=CUDA wheels='' report='' python=python3 build=build/device jobs=$(nproc) tests=. sanitizer=yes
fetch='' python_version=3.12
needs_value() { [[ $# -ge 2 ]] || { echo "device_check: $1 needs a value" >&2; exit 2; }; }
while [[ $# -gt 0 ]]; do
    case $1 in
        --no-sanitizer) sanitizer=no; shift; continue ;;
        -h | --help) sed -n '2,/^set/{/^#/s/^# \{0,1\}//p}' "$0"; exit 0 ;;
    esac
    needs_value "$@"
    case $1 in
        --platform) platform=$2 ;;
        --wheels) wheels=$2 ;;
        --report) report=$2 ;;
        --python) python=$2 ;;
        --build) build=$2 ;;
        --jobs) jobs=$2 ;;
        --tests) tests=$2 ;;
        --fetch) fetch=$2 ;;
        --python-version) python_version=$2 ;;
        *) echo "device_check: unknown option $1; --help lists them" >&2; exit 2 ;;
    esac
    shift 2
done

# ---- Where there is a network ----------------------------------------------------------------------------------------

# Everything but torch, numpy and a compiler, which the machine with the GPU has. Packages of Debian, for GoogleTest and
# Google Benchmark, are unpacked there, not installed.
fetch_all() {
    local tags=() packages tag
    packages=('openmm==8.6.*' 'OpenMM-CUDA-13==8.6.*' 'OpenMM-CUDA-12==8.6.*' 'swig>=4.4' 'nlohmann-json>=3.11' cmeel-eigen
        'pybind11-stubgen>=3.0' cmake ninja)
    [[ $sanitizer == no ]] || packages+=('nvidia-cuda-sanitizer-api==13.0.*')
    for tag in manylinux2014 manylinux_2_{5,12,17,24,25,27,28,31,34}; do tags+=(--platform "${tag}_$(uname -m)"); done
    mkdir -p "$fetch"
    "$python" -m pip download --no-deps --only-binary=:all: --python-version "$python_version" "${tags[@]}" -d "$fetch" \
        "${packages[@]}" || return 1
    if command -v apt-get >/dev/null; then
        (cd "$fetch" && apt-get download libgtest-dev libbenchmark-dev \
            "$(apt-cache depends libbenchmark-dev | sed -n 's/.*Depends: \(libbenchmark1.*\)/\1/p')")
    fi
    du -sh "$fetch"
}

if [[ -n $fetch ]]; then
    fetch_all
    exit
fi

if [[ $platform == CUDA ]] && ! nvidia-smi -L 2>/dev/null | grep -q GPU; then
    echo "There is no NVIDIA GPU here (nvidia-smi lists none), so nothing was checked."
    exit 1
fi

# ---- Stages ----------------------------------------------------------------------------------------------------------

report=${report:-$build/report.json}
label=${platform,,}
mkdir -p "$build/logs" "$build/results" "$(dirname "$report")"
build=$(realpath "$build")
site=$build/site
rm -f "$build"/logs/* "$build"/results/*

# stage NAME COMMAND...: run a stage, keep its output in logs/NAME.txt and its result in results/stages.tsv. Returns the
# command's status; the check goes on.
stage() {
    local name=$1 start=$SECONDS status
    shift
    echo "== $name"
    "$@" >"$build/logs/$name.txt" 2>&1 </dev/null
    status=$?
    printf '%s\t%d\t%d\n' "$name" "$status" "$((SECONDS - start))" >>"$build/results/stages.tsv"
    [[ $status -eq 0 ]] || { echo "   failed with $status:"; tail -n 5 "$build/logs/$name.txt" | sed 's/^/   /'; }
    return "$status"
}

skip() { # NAME WHY
    echo "== $1: skipped, $2"
    printf '%s\tskipped\t%s\n' "$1" "$2" >>"$build/results/stages.tsv"
}

install_wheels() {
    local packages=(openmm swig nlohmann-json cmeel-eigen pybind11-stubgen cmake ninja) major
    major=$("$python" -c 'import torch; print((torch.version.cuda or "").split(".")[0])') || return 1
    [[ $platform != CUDA ]] || packages+=("OpenMM-CUDA-$major")
    compgen -G "$wheels/nvidia_cuda_sanitizer_api*.whl" >/dev/null && packages+=(nvidia-cuda-sanitizer-api)
    # Once only: headers with new dates would have everything compiled again.
    if [[ -e $site.txt && $(<"$site.txt") == "$(ls "$wheels") ${packages[*]}" ]]; then
        echo "installed before"
        return 0
    fi
    rm -rf "$site" "$site.txt"
    "$python" -m pip install --no-index --find-links "$wheels" --no-deps --target "$site" "${packages[@]}" || return 1
    for package in "$wheels"/*.deb; do
        [[ ! -e $package ]] || dpkg -x "$package" "$build/system" || return 1
    done
    echo "$(ls "$wheels") ${packages[*]}" >"$site.txt"
}

# Libraries of torch and CUDA may lie in another folder than ours and OpenMM's: the loader is told where.
find_libraries() {
    "$python" - <<'END'
import importlib.util, pathlib
folders = []
for name, inside in (("torch", "lib"), ("openmm", "../OpenMM.libs/lib")):
    spec = importlib.util.find_spec(name)
    if spec is not None:
        package = pathlib.Path(spec.origin).parent
        folders += [package / inside, *sorted(package.parent.glob("nvidia/*/lib"))]
print(":".join(str(folder.resolve()) for folder in folders if folder.is_dir()))
END
}

prepare_environment() {
    export PYTHONPATH=$site${PYTHONPATH:+:$PYTHONPATH}
    export PATH=$site/bin:$PATH
    export LD_LIBRARY_PATH="$(find_libraries):$build/system/usr/lib/$(uname -m)-linux-gnu:${LD_LIBRARY_PATH:-}"
    export CMAKE_PREFIX_PATH=$build/system/usr${CMAKE_PREFIX_PATH:+:$CMAKE_PREFIX_PATH}
    export CPATH=$build/system/usr/include${CPATH:+:$CPATH}
    export OMP_WAIT_POLICY=passive
    local found
    found=$(compgen -G "$site/nvidia/*/bin/compute-sanitizer" | head -n 1) && chmod +x "$found" &&
        export PATH=$PATH:$(dirname "$found")
}

has_header() { echo "#include <$1>" | "${CXX:-g++}" -std=c++20 -E -x c++ - >/dev/null 2>&1; }

configure() {
    local options=(-G Ninja -DCMAKE_BUILD_TYPE=Release -DJUMP_BUILD_TESTS=ON)
    options+=("-DPython_EXECUTABLE=$(command -v "$python")")
    has_header benchmark/benchmark.h && options+=(-DJUMP_BUILD_BENCHMARKS=ON)
    [[ $platform != CUDA ]] || options+=(-DJUMP_BUILD_CUDA=ON)
    cmake -S . -B "$build/tree" "${options[@]}"
}

# A prefix that CMake installs into is the Python package, less its Python files.
install_package() {
    mkdir -p "$site/openmmjump" && cp -r python/openmmjump/. "$site/openmmjump/" &&
        cmake --install "$build/tree" --prefix "$site/openmmjump"
}

run_tests() {
    # All output is kept: it tells how many cases ran, and whether every one of them was skipped.
    ctest --test-dir "$build/tree" -C files -L "^$label\$" -L '^file$' -R "$tests" --no-tests=error --output-on-failure \
        --test-output-size-passed 1000000 --output-junit "$build/results/tests.xml"
}

# The tests of every file in every precision under memcheck; errors of the program or of a kernel end it with a code.
run_sanitizer() {
    local source name filter precision status=0
    for source in tests/platforms/Test*.cpp; do
        name=$(basename "${source/Test/Test$platform}" .cpp)
        [[ $name =~ $tests ]] || continue
        filter=$(sed -nE 's/^TEST_[FP]\((\w+),.*/\1.*:*\/\1.*/p' "$source" | sort -u | paste -sd:)
        for precision in single mixed double; do
            JUMP_TEST_PLATFORM=$platform JUMP_TEST_PRECISION=$precision timeout 1200 compute-sanitizer --tool memcheck \
                --error-exitcode 9 "$build/tree/tests/PlatformTests" --gtest_filter="$filter" \
                >"$build/logs/sanitizer.$name.$precision.txt" 2>&1
            printf '%s\t%s\t%d\n' "$name" "$precision" $? >>"$build/results/sanitizer.tsv"
            [[ $(tail -n 1 "$build/results/sanitizer.tsv") == *$'\t'0 ]] || status=1
        done
    done
    [[ -e $build/results/sanitizer.tsv ]] || { echo "no test for $platform matches $tests"; status=1; }
    return $status
}

run_benchmarks() {
    local program status=0
    for program in "$build"/tree/benchmarks/Benchmark*; do
        [[ -x $program && ! -d $program ]] || continue
        "$program" --benchmark_out_format=json --benchmark_out="$build/results/$(basename "$program").json" || status=1
    done
    return $status
}

run_jumps() {
    "$python" benchmarks/jump_cycle.py --platform "$platform" --out "$build/results/jump_cycle.json"
}

run_diagnose() {
    "$python" -c 'import json; from openmmjump import diagnose; print(json.dumps(diagnose.report()))' \
        >"$build/results/diagnose.json"
}

# ---- The check -------------------------------------------------------------------------------------------------------

if [[ -n $wheels ]]; then
    wheels=$(realpath "$wheels")
    stage install install_wheels
fi
prepare_environment
stage configure configure && stage build cmake --build "$build/tree" --parallel "$jobs" -- -k 0
stage package install_package && stage diagnose run_diagnose
stage tests run_tests
if [[ $platform != CUDA ]]; then
    skip sanitizer "it is for CUDA"
elif [[ $sanitizer == no ]]; then
    skip sanitizer "as asked for"
elif ! command -v compute-sanitizer >/dev/null; then
    skip sanitizer "compute-sanitizer is not on PATH"
else
    stage sanitizer run_sanitizer
fi
if has_header benchmark/benchmark.h; then
    stage benchmarks run_benchmarks
else
    skip benchmarks "Google Benchmark is not installed"
fi
stage jump_cycle run_jumps
"$python" benchmarks/device_report.py --platform "$platform" --results "$build" --report "$report"
