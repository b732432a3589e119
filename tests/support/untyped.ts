/** A value in which some fields are what a caller without types could give. */
export function untyped<Value extends object>(value: Value, faults: object): Value {
  return Object.assign({}, value, faults);
}
