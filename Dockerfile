# Quorate as a container: `docker build -t quorate .`; docs/operate/docker.md says how to run it.
# Nothing here needs BuildKit, so that any engine since Docker 20.10 builds it.
ARG BASE_IMAGE=node:24-bookworm-slim

# What the package runs on: its libraries, without those for development and without optional native parts.
FROM ${BASE_IMAGE} AS libraries
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
RUN npm ci --omit=dev --omit=optional --ignore-scripts --no-update-notifier && rm package-lock.json .npmrc

FROM ${BASE_IMAGE} AS toolchain
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
RUN npm ci --ignore-scripts --no-update-notifier

# The program, compiled: only JavaScript leaves this stage.
FROM toolchain AS program
COPY tsconfig.base.json tsconfig.src.json ./
COPY src src
RUN node_modules/.bin/tsc -b tsconfig.src.json \
 && find dist ! -type d ! -name '*.js' -delete \
 && chmod 755 dist/src/cli/main.js

FROM ${BASE_IMAGE}
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="Quorate" \
      org.opencontainers.image.description="A replicated, transactional table and key-value database" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
# The C library asks for large pages where Linux gives them to those who do (docs/operate/configuration.md).
ENV NODE_ENV=production \
    GLIBC_TUNABLES=glibc.malloc.hugetlb=1 \
    QUORATE_CONFIG=/etc/quorate/config.yaml
COPY --from=libraries /app /app
COPY --from=program /app/dist /app/dist
COPY LICENSE deploy/docker/health.mjs /app/
COPY deploy/docker/config.yaml /etc/quorate/config.yaml
RUN ln -s /app/dist/src/cli/main.js /usr/local/bin/quorate \
 && mkdir /data && chown 1000:1000 /data
# By number: Kubernetes can then see that it is not root.
USER 1000:1000
WORKDIR /data
VOLUME /data
EXPOSE 7400 7410 7420
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=6 CMD ["node", "/app/health.mjs"]
ENTRYPOINT ["quorate"]
CMD ["server"]
