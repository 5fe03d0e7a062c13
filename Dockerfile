# kubesup alone (the last stage), and with --target demo the demo. `make image` writes the same without a daemon.
#
#   FROM scratch
#   COPY --from=kubesup /bin/kubesup /bin/kubesup      # in your own image
FROM docker.io/library/rust:1-bookworm AS build
WORKDIR /src
COPY . .
RUN make build demo-program && \
    host=$(rustc -vV | sed -n 's/^host: //p') && \
    mkdir /out && cp "target/$host/release/kubesup" "target/$host/release/examples/demo" /out/
RUN apt-get update && apt-get install -y --no-install-recommends busybox-static && cp /bin/busybox /out/sh

FROM scratch AS demo
COPY --from=build --chmod=755 /out/kubesup /out/demo /out/sh /bin/
COPY examples/demo/default.toml /demo/
COPY examples/demo/config /demo/config
COPY examples/demo/hooks /demo/hooks
ENV PATH=/usr/sbin:/usr/bin:/sbin:/bin
USER 65534:65534
ENTRYPOINT ["/bin/kubesup"]

FROM scratch
COPY --from=build --chmod=755 /out/kubesup /bin/kubesup
ENV PATH=/usr/sbin:/usr/bin:/sbin:/bin
USER 65534:65534
ENTRYPOINT ["/bin/kubesup"]
