// Reads an AsyncAPI document from standard input and says what the parser finds wrong with it.
'use strict';

const { Parser } = require('@asyncapi/parser');

async function main() {
  let text = '';
  for await (const chunk of process.stdin) text += chunk;
  const { document, diagnostics } = await new Parser().parse(text);
  // Severities: 0 is an error, 1 a warning; what is above is advice.
  const faults = diagnostics.filter(({ severity }) => severity <= 1);
  for (const { code, message, path } of faults) console.error(`${code} at ${path.join('.')}: ${message}`);
  if (!document || faults.length > 0) process.exit(1);
  console.log(`${document.operations().length} operations`);
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
