/** `0007` */
export const numberOf = ({ version }) => String(version).padStart(4, '0');

/** The statements of a script as one text. */
export const textOf = ({ statements }) => statements.map((statement) => `${statement};\n`).join('');
