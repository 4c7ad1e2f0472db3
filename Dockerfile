# For those who build with Docker; make images needs none. With the same Go, these arguments give the programs that
# make images gives, byte for byte, and the same labels:
#   docker build --target event-gateway --tag event-gateway:0.1.0 --build-arg IMAGE_TAG=0.1.0 \
#     --build-arg VERSION=$(git describe --tags --match 'v*' --always --dirty) --build-arg REVISION=$(git rev-parse HEAD) \
#     --build-arg CREATED=$(TZ=UTC git log -1 --format=%cd --date=format-local:%FT%TZ) .
FROM --platform=$BUILDPLATFORM golang:1.26 AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY cmd cmd
COPY pkg pkg
COPY schemas schemas
# What the image is for, as the builder knows it; a default here would win over --platform.
ARG TARGETOS
ARG TARGETARCH
ARG VERSION=unknown
RUN CGO_ENABLED=0 GOOS=$TARGETOS GOARCH=$TARGETARCH go build -trimpath -buildvcs=false \
    -ldflags "-s -w -X github.com/kyma-connectors/kyma-connectors/pkg/internal/cli.version=$VERSION" \
    -o /out/ ./cmd/registration-job ./cmd/event-gateway

FROM scratch AS program
ARG IMAGE_TAG=unknown
ARG REVISION=unknown
ARG CREATED=1970-01-01T00:00:00Z
LABEL org.opencontainers.image.version=$IMAGE_TAG \
      org.opencontainers.image.revision=$REVISION \
      org.opencontainers.image.created=$CREATED \
      org.opencontainers.image.source=https://github.com/kyma-connectors/kyma-connectors \
      org.opencontainers.image.licenses=Apache-2.0
ENV PATH=/
WORKDIR /
USER 65532:65532

FROM program AS registration-job
LABEL org.opencontainers.image.title=registration-job
COPY --from=build /out/registration-job /registration-job
ENTRYPOINT ["/registration-job"]

FROM program AS event-gateway
LABEL org.opencontainers.image.title=event-gateway
COPY --from=build /out/event-gateway /event-gateway
ENTRYPOINT ["/event-gateway"]
