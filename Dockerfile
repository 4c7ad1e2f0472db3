# For those who build with Docker; make images needs none.
#   docker build --target event-gateway --build-arg VERSION=0.1.0 -t event-gateway:0.1.0 .
#   docker build --target registration-job --build-arg VERSION=0.1.0 -t registration-job:0.1.0 .
FROM --platform=$BUILDPLATFORM golang:1.26 AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY cmd cmd
COPY pkg pkg
COPY schemas schemas
ARG TARGETOS=linux TARGETARCH=amd64 VERSION=unknown
RUN CGO_ENABLED=0 GOOS=$TARGETOS GOARCH=$TARGETARCH go build -trimpath -buildvcs=false \
    -ldflags "-s -w -X github.com/kyma-connectors/kyma-connectors/pkg/internal/cli.version=$VERSION" \
    -o /out/ ./cmd/registration-job ./cmd/event-gateway

FROM scratch AS registration-job
COPY --from=build /out/registration-job /registration-job
ENV PATH=/
USER 65532:65532
ENTRYPOINT ["/registration-job"]

FROM scratch AS event-gateway
COPY --from=build /out/event-gateway /event-gateway
ENV PATH=/
USER 65532:65532
ENTRYPOINT ["/event-gateway"]
