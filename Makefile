# The ways in: make, make demo, make check. CMake does the work.
JOBS   := $(shell nproc)
PREFIX ?= /usr/local
BUILD  := build

.PHONY: all configure demo check parity parity-weights coverage weights stamps install format fuzz bench figures clean

all: configure
	@cmake --build $(BUILD) -j $(JOBS)

configure:
	@scripts/install-dependencies.sh --look build
	@cmake -S . -B $(BUILD) -DCMAKE_BUILD_TYPE=Release -DCMAKE_INSTALL_PREFIX=$(PREFIX) --log-level=WARNING

# Installs what is missing, builds, gets weights and pictures, trains, evaluates, predicts.
demo:
	@scripts/install-dependencies.sh build demo
	@$(MAKE) --no-print-directory all
	@scripts/get-weights.sh
	@scripts/lay-out-stamps.sh
	@scripts/demo.sh

# Installs what is missing, builds (also with sanitizers), and runs every test.
check:
	@scripts/install-dependencies.sh build check
	@scripts/get-reference.sh $(BUILD)/reference-python
	@$(MAKE) --no-print-directory all
	@cmake -S . -B build-sanitize -DCMAKE_BUILD_TYPE=RelWithDebInfo -DGRAFT_SANITIZE=ON --log-level=WARNING
	@cmake --build build-sanitize -j $(JOBS)
	@cmake -S . -B build-threads -DCMAKE_BUILD_TYPE=RelWithDebInfo -DGRAFT_THREADS=ON --log-level=WARNING
	@cmake --build build-threads -j $(JOBS) --target threaded
	@ctest --test-dir $(BUILD) -j $(JOBS) --output-on-failure --no-tests=error

# Whole networks against PyTorch, a line each: NETWORKS="vgg16 resnet50", or all of them, some hours' work.
NETWORKS ?=
parity:
	@scripts/install-dependencies.sh build check
	@scripts/get-reference.sh $(BUILD)/reference-python
	@$(MAKE) --no-print-directory all
	@GRAFT_BINARY=$(BUILD)/graft GRAFT_PARITY_GRADIENTS=$(BUILD)/tests/parity_gradients OMP_WAIT_POLICY=passive \
		PYTHONPATH=$(BUILD)/reference-python /usr/bin/python3 -B tests/parity/parity.py $(NETWORKS)

# Files of weights that PyTorch draws from a seed and saves, in build/parity: where no published ones are at hand.
parity-weights:
	@scripts/install-dependencies.sh build check
	@mkdir -p $(BUILD)/parity
	@for network in $(or $(NETWORKS),vgg16 resnet50 inception_v3); do \
		/usr/bin/python3 -B tests/parity/seeded.py $(BUILD)/parity/$$network.pth $$network || exit 1; \
		echo "$(BUILD)/parity/$$network.pth"; done

coverage:
	@scripts/install-dependencies.sh build check
	@scripts/get-reference.sh build-coverage/reference-python
	@cmake -S . -B build-coverage -DGRAFT_COVERAGE=ON -DCMAKE_BUILD_TYPE=Debug --log-level=WARNING
	@cmake --build build-coverage -j $(JOBS)
	-@ctest --test-dir build-coverage -j $(JOBS) --output-on-failure -E '^(sanitize|threads|avx2|source|install)\.'
	@gcovr --root . --filter src/ --exclude-unreachable-branches --gcov-ignore-parse-errors build-coverage

weights:
	@scripts/get-weights.sh

stamps:
	@scripts/lay-out-stamps.sh

install: all
	@cmake --install $(BUILD)

format:
	@git ls-files '*.c' '*.h' | xargs clang-format -i

# libFuzzer: a minute each (SECONDS= to change).
SECONDS ?= 60
fuzz:
	@cmake -S . -B build-fuzz -DGRAFT_FUZZ=ON -DCMAKE_C_COMPILER=clang -DCMAKE_BUILD_TYPE=RelWithDebInfo --log-level=WARNING
	@cmake --build build-fuzz -j $(JOBS)
	@scripts/fuzz.sh build-fuzz $(SECONDS)

# How fast: graft beside others, a row of docs/performance.md each (bench/README.md). BENCH_ROWS= and BENCH_PEERS= choose,
# BENCH_PICTURES= is a folder with train/ and val/ in place of made pictures.
BENCH = PYTHONPATH=$(BUILD)/reference-python /usr/bin/python3 -B
bench:
	@scripts/install-dependencies.sh build check bench
	@scripts/get-reference.sh $(BUILD)/reference-python
	@$(MAKE) --no-print-directory all weights
	@cmake --build $(BUILD) -j $(JOBS) --target bench_side bench_roofline
	@$(BENCH) bench/peers.py $(BENCH_PEERS)
	@$(BENCH) bench/bench.py --build $(BUILD) --peers "$(BENCH_PEERS)" $(if $(BENCH_PICTURES),--pictures "$(BENCH_PICTURES)") \
		$(if $(BENCH_ROUNDS),--rounds $(BENCH_ROUNDS)) $(BENCH_ROWS)

# How well: both sides of every figure, on HYMENOPTERA= (ants and bees, train/ and val/); an hour and more on two cores.
figures:
	@test -d "$(HYMENOPTERA)/train" || { echo "make figures HYMENOPTERA=DIR: a folder with train/ and val/" >&2; exit 1; }
	@scripts/install-dependencies.sh build check demo
	@scripts/get-reference.sh $(BUILD)/reference-python
	@$(MAKE) --no-print-directory all weights stamps
	@$(BENCH) bench/figures.py --both --hymenoptera "$(HYMENOPTERA)"

clean:
	@rm -rf build build-sanitize build-threads build-coverage build-fuzz
