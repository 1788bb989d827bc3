# A small image with the program alone:
#
#   docker build -t cryptodl .
#   docker run --rm -v "$PWD:/work" cryptodl run configs/quickstart.toml
FROM rust:1.95-slim-bookworm AS build
RUN apt-get update && apt-get install --yes --no-install-recommends g++ make && rm -rf /var/lib/apt/lists/*
WORKDIR /source
COPY . .
RUN cargo build --release --locked --bin cryptodl && strip target/release/cryptodl

FROM gcr.io/distroless/cc-debian12
COPY --from=build /source/target/release/cryptodl /usr/local/bin/cryptodl
WORKDIR /work
ENTRYPOINT ["cryptodl"]
