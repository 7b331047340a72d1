// SPDX-License-Identifier: MIT
// Validate an AsyncAPI document, its Avro payloads too: node asyncapi.mjs FILE. Prints what is wrong, exit 1.
import { readFileSync } from 'node:fs'
import { Parser } from '@asyncapi/parser'
import { AvroSchemaParser } from '@asyncapi/avro-schema-parser'

const parser = new Parser({ ruleset: { core: true, recommended: false } })
parser.registerSchemaParser(AvroSchemaParser())
const { document, diagnostics } = await parser.parse(readFileSync(process.argv[2], 'utf8'))
const errors = diagnostics.filter(diagnostic => diagnostic.severity === 0)
for (const error of errors) console.log(`${error.path.join('/')}: ${error.message}`)
if (document === undefined || errors.length > 0) process.exit(1)
console.log(JSON.stringify(document.channels().all().map(channel => channel.address())))
