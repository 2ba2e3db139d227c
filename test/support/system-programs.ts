/**
 * The environment for programs of the system: Debian has servers like nginx and nats-server in folders that are not in the PATH of
 * ordinary users.
 */
export const systemEnv: NodeJS.ProcessEnv = {
  ...process.env,
  PATH: `${process.env.PATH ?? ''}:/usr/local/sbin:/usr/sbin:/sbin`,
}
