// SPDX-License-Identifier: MIT
// Decode a value with @confluentinc/schemaregistry: node confluent.mjs REGISTRY, lines "TOPIC BASE64" on standard input.
import { readFileSync } from 'node:fs'
import { AvroDeserializer, SchemaRegistryClient, SerdeType } from '@confluentinc/schemaregistry'

const client = new SchemaRegistryClient({ baseURLs: [process.argv[2]] })
const read = new AvroDeserializer(client, SerdeType.VALUE, {})
const found = {}
for (const line of readFileSync(0, 'utf8').trim().split('\n')) {
  const [topic, text] = line.split(' ')
  const value = await read.deserialize(topic, Buffer.from(text, 'base64'))
  found[topic] = { case_id: value.case_id, event_id: value.event_id }
}
console.log(JSON.stringify(found))
