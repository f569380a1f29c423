// The program "sum" as it was built from sum.as, which lies beside this file: adds up a range such as `1..100`.

export const sum: Uint8Array = new Uint8Array(
  Buffer.from(
    [
      "AGFzbQEAAAABEQNgAX8BfmACf38BfmABfwF/AwQDAAECBQMBAAEHGwMIYWxsb2NhdGUAAgNydW4AAQZtZW1vcnkCAArrAQMgACAA",
      "LQAAIgBBMEkgAEE5S3IEQAALIABBMGtB/wFxrQu3AQEDfiAAIAFqIQEDQCAAIAFJBH8gAC0AAEEuRwVBAAsEQCAAEAAgAkIKfnwh",
      "AiAAQQFqIQAMAQsLIAEgAEECaiIATQRAAAsDQCAAIAFJBEAgABAAIARCCn58IQQgAEEBaiEADAELCwNAIAIgBFgEQCACIAN8IQMg",
      "AkIBfCECDAELC0HgCCEAA0AgAEEBayIAIANCCoKnQTBqOgAAIANCCoAiA0IAUg0AC0HgCCAAa60gAK1CIIaECw8AIABBwABKBEAA",
      "C0GACAs=",
    ].join(""),
    "base64",
  ),
);
