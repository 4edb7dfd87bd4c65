import { styleText } from 'node:util';

export type Style = Parameters<typeof styleText>[0];

export function paint(text: string, style: Style | undefined, color: boolean): string {
  return color && style !== undefined ? styleText(style, text, { validateStream: false }) : text;
}
