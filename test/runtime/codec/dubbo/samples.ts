import { Buffer } from 'node:buffer'

/** Bytes as they go over the wire between a consumer and a provider of Dubbo 2.7 with its defaults. */

const hex = (...rows: string[]): Buffer => Buffer.from(rows.join('').replaceAll(' ', ''), 'hex')

/** org.apache.dubbo.demo.DemoService.sayHello("world") */
export const request = hex(
  'dabb c2 00', // magic; request, two-way, Hessian 2; no status
  '0000000000000001', // id
  '000000b6', // length of the body
  '05 322e302e32', // version of the protocol: 2.0.2
  '3021 6f72672e6170616368652e647562626f2e64656d6f2e44656d6f53657276696365', // service
  '05 302e302e30', // version of the service: 0.0.0
  '08 73617948656c6c6f', // method: sayHello
  '12 4c6a6176612f6c616e672f537472696e673b', // types of its parameters: Ljava/lang/String;
  '05 776f726c64', // world
  '48', // attachments: a map
  '04 70617468',
  '3021 6f72672e6170616368652e647562626f2e64656d6f2e44656d6f53657276696365',
  '09 696e74657266616365',
  '3021 6f72672e6170616368652e647562626f2e64656d6f2e44656d6f53657276696365',
  '07 76657273696f6e',
  '05 302e302e30',
  '5a',
)

export const response = hex(
  'dabb 02 14', // Hessian 2; status 20, OK
  '0000000000000001',
  '0000001b',
  '94', // 4: a value with attachments
  '0b 48656c6c6f20776f726c64', // Hello world
  '48 05 647562626f 05 322e302e32 5a', // { dubbo: '2.0.2' }
)

/** A heartbeat: a two-way event whose body is null. */
export const heartbeat = hex('dabb e2 00', '0000000000000002', '00000001', '4e')

/** Its answer. */
export const heartbeatAnswer = hex('dabb 22 14', '0000000000000002', '00000001', '4e')
