export const size = 4;
