# Builds to JavaScript, keeps only what production needs, and runs as an unprivileged user. See docs/deployment.md.
# Operator commands: docker run … npm run dlq -- list
FROM node:24-bookworm-slim AS build
WORKDIR /app
COPY package.json package-lock.json ./
RUN npm ci
COPY . .
# The optional dependencies are a PostgreSQL and a Node for development: the image has its own Node
RUN npm run build && npm pkg delete optionalDependencies && npm prune --omit=dev

FROM node:24-bookworm-slim
# Without it the C library keeps the memory of each thread that decodes images (docs/capacity.md)
ENV MALLOC_ARENA_MAX=2
ENV NODE_ENV=production
WORKDIR /app
COPY --from=build /app/node_modules node_modules
COPY --from=build /app/dist dist
COPY package.json ./
COPY cli/run.js cli/
# by number, so that Kubernetes can see that it is not root
USER 1000:1000
EXPOSE 3003 3030
HEALTHCHECK --interval=5s --timeout=3s --start-period=30s \
  CMD ["node", "-e", "fetch('http://127.0.0.1:' + (process.env.METRICS_PORT || 3030) + '/health/ready').then(r => process.exit(r.ok ? 0 : 1), () => process.exit(1))"]
CMD ["npm", "run", "start:prod", "--silent"]
