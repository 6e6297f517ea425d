import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { childEnvironment } from './run-command.ts'
import { type Server, startServer } from './servers.ts'
import { findOnPath } from './tool-install.ts'
import { requireTool } from './tools.ts'

/** A web server over `<dir>/root`; what it writes of its own goes to `dir`. */
export type WebServerOptions = {
  readonly dir: string
  readonly port: number
  readonly signal?: AbortSignal
}

/** nginx that shows the names in a directory; `none`: only where an index.html stands, else 403. */
export async function startNginxIndex(
  options: WebServerOptions & { readonly format: 'html' | 'json' | 'none' },
): Promise<Server> {
  const { dir, port, format, signal } = options
  await mkdir(join(dir, 'root'), { recursive: true })
  const configPath = join(dir, 'nginx.conf')
  await writeFile(configPath, nginxConfig(dir, port, format))
  return startServer({
    name: 'nginx',
    command: requireTool('nginx'),
    args: ['-p', dir, '-c', configPath, '-e', join(dir, 'error.log')],
    env: childEnvironment(),
    port,
    readyPath: '/',
    isReady: (status) => status > 0,
    signal,
  })
}

function nginxConfig(dir: string, port: number, format: 'html' | 'json' | 'none'): string {
  // The scratch folder is private to its owner, so a worker of root stays root.
  const user = process.getuid?.() === 0 ? 'user root;' : ''
  const index = format === 'none' ? '' : `autoindex on; autoindex_format ${format};`
  return `${user}
daemon off;
worker_processes 1;
pid ${dir}/nginx.pid;
error_log ${dir}/error.log error;
events { worker_connections 1024; }
http {
  access_log off;
  default_type application/octet-stream;
  types { text/html html; }
  client_body_temp_path ${dir}/body;
  proxy_temp_path ${dir}/proxy;
  fastcgi_temp_path ${dir}/fastcgi;
  uwsgi_temp_path ${dir}/uwsgi;
  scgi_temp_path ${dir}/scgi;
  server { listen 127.0.0.1:${port}; root ${dir}/root; ${index} }
}
`
}

/** `python3 -m http.server`: HTTP/1.0, no ranges, no tags. */
export async function startPythonHttp(options: WebServerOptions): Promise<Server> {
  const { dir, port, signal } = options
  const command = findOnPath('python3')
  if (command === undefined) throw new Error('python3 is missing; install Python 3.11 or newer')
  await mkdir(join(dir, 'root'), { recursive: true })
  return startServer({
    name: 'http.server',
    command,
    args: ['-m', 'http.server', '--bind', '127.0.0.1', '--directory', join(dir, 'root'), `${port}`],
    env: childEnvironment(),
    port,
    readyPath: '/',
    isReady: (status) => status === 200,
    signal,
  })
}
