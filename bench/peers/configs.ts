import { writeFileSync } from 'node:fs'
import { ROUTES } from '../harness/many-hosts.ts'

/** Where a server under test listens, what it forwards to, and a directory it may write in. */
export interface Place {
  readonly port: number
  /** host:port of the origin; servers that answer themselves ignore it. */
  readonly origin: string
  readonly directory: string
}

/** What every hello server answers. */
export const HELLO = 'Hello, world!\n'

/**
 * nginx as a careful operator sets it up for this: one worker, no access log, and no limit on the requests of one
 * connection (the default of 1000 would close and reopen connections all through the run).
 */
function nginx(place: Place, http: string): string {
  return `
daemon off;
worker_processes 1;
pid ${place.directory}/nginx-${place.port}.pid;
error_log stderr crit;
events { worker_connections 4096; }
http {
  access_log off;
  default_type text/plain;
  sendfile on;
  tcp_nopush on;
  keepalive_requests 1000000000;
  keepalive_timeout 600s;
  client_body_temp_path ${place.directory}/nginx-${place.port}-body;
  proxy_temp_path ${place.directory}/nginx-${place.port}-proxy;
  fastcgi_temp_path ${place.directory}/nginx-${place.port}-fastcgi;
  uwsgi_temp_path ${place.directory}/nginx-${place.port}-uwsgi;
  scgi_temp_path ${place.directory}/nginx-${place.port}-scgi;
${http}
}
`
}

/** Answers `/` from memory and the rest from files of its directory. */
export function nginxOrigin(place: Place, smallBody: string): string {
  return nginx(
    place,
    `  server {
    listen 127.0.0.1:${place.port} backlog=1024;
    root ${place.directory};
    open_file_cache max=16;
    location = / { return 200 "${smallBody}"; }
  }`,
  )
}

export function nginxHello(place: Place): string {
  return nginx(
    place,
    `  server {
    listen 127.0.0.1:${place.port} backlog=1024;
    location / { return 200 "${HELLO.replace('\n', '\\n')}"; }
  }`,
  )
}

export const nginxProxy = (place: Place): string => nginxForward(place, '')

/** The same work as bench/scripts/proxy-script.ts: a header made of host and path. */
export const nginxProxyHeader = (place: Place): string =>
  nginxForward(place, 'proxy_set_header X-Route "$http_host$uri";')

const routes = Array.from({ length: ROUTES }, (_, i) => `svc-${i}.shop.example`)

/** A hash of all hosts, which is what nginx has for this. */
export const nginxRoutes = (place: Place): string =>
  nginxForward(
    place,
    '',
    'http://$target',
    `map_hash_max_size 32768; map_hash_bucket_size 128; map $host $target {\n${routes.map(host => `  ${host} origin;`).join('\n')}\n}`,
  )

/** The level of bench/scripts/gzip.ts. */
export const nginxGzip = (place: Place): string =>
  nginxForward(
    place,
    'gzip on; gzip_comp_level 1; gzip_min_length 256; gzip_proxied any; gzip_types text/plain;',
  )

/** Buffers that suit large answers. */
export const nginxProxyLarge = (place: Place): string =>
  nginxForward(place, 'proxy_buffer_size 16k; proxy_buffers 8 64k; proxy_busy_buffers_size 128k;')

/** Temporary files are off: a 1 MiB answer that nginx wrote to disk and read back would flatter whatever it is compared with. */
function nginxForward(place: Place, extra: string, target = 'http://origin', http = ''): string {
  return nginx(
    place,
    `  ${http}
  upstream origin {
    server ${place.origin};
    keepalive 64;
    keepalive_requests 1000000000;
    keepalive_timeout 600s;
  }
  server {
    listen 127.0.0.1:${place.port} backlog=1024;
    location / {
      proxy_pass ${target};
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_max_temp_file_size 0;
      ${extra}
    }
  }`,
  )
}

function haproxy(mode: 'http' | 'tcp', sections: string, global = ''): string {
  return `
global
  nbthread 1
  maxconn 4096
${global}
defaults
  mode ${mode}
  timeout connect 5s
  timeout client 600s
  timeout server 600s
${sections}
`
}

export const haproxyProxy = (place: Place): string => haproxyForward(place, '')

export const haproxyProxyHeader = (place: Place): string =>
  haproxyForward(place, '  http-request set-header x-route "%[req.hdr(host)]%[path]"')

export function haproxyRoutes(place: Place): string {
  const map = `${place.directory}/${place.port}.map`
  writeFileSync(map, routes.map(host => `${host} origin\n`).join(''))
  return haproxyForward(place, `  use_backend %[req.hdr(host),lower,map(${map})]`)
}

export const haproxyGzip = (place: Place): string =>
  haproxyForward(place, '  compression algo gzip\n  compression type text/plain', '  tune.comp.maxlevel 1')

function haproxyForward(place: Place, extra: string, global = ''): string {
  return haproxy(
    'http',
    `  http-reuse always
frontend client
  bind 127.0.0.1:${place.port}
${extra}
  default_backend origin
backend origin
  server origin ${place.origin}`,
    global,
  )
}

export function haproxyHello(place: Place): string {
  return haproxy(
    'http',
    `frontend client
  bind 127.0.0.1:${place.port}
  http-request return status 200 content-type text/plain string "${HELLO.replace('\n', '\\n')}"`,
  )
}

export function haproxyTcp(place: Place): string {
  return haproxy(
    'tcp',
    `frontend client
  bind 127.0.0.1:${place.port}
  default_backend origin
backend origin
  server origin ${place.origin}`,
  )
}
