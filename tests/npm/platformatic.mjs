// SPDX-License-Identifier: MIT
// Read one record of each topic with @platformatic/kafka: node platformatic.mjs BROKERS REGISTRY TOPIC...
import { randomUUID } from 'node:crypto'
import { Consumer, ConfluentSchemaRegistry, stringDeserializer } from '@platformatic/kafka'

const [brokers, url, ...topics] = process.argv.slice(2)
const registry = new ConfluentSchemaRegistry({ url })
const deserializers = { ...registry.getDeserializers(), key: stringDeserializer, headerKey: stringDeserializer, headerValue: stringDeserializer }
const consumer = new Consumer({
  groupId: `tools-${randomUUID()}`, clientId: 'tools', bootstrapBrokers: brokers.split(','),
  beforeDeserialization: registry.getBeforeDeserializationHook(), deserializers })
const stream = await consumer.consume({ topics, mode: 'earliest', autocommit: false })
const found = {}
for await (const message of stream) {
  found[message.topic] = { key: message.key, case_id: message.value.case_id, event_id: message.value.event_id }
  if (Object.keys(found).length === topics.length) break
}
console.log(JSON.stringify(found))
process.exit(0)
