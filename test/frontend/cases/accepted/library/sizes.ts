export const count = 2;
export const factor = 10 * count;
export default 0.25;
