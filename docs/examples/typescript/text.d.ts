// The build puts the text of a .proto file in the place of its import.
declare module '*.proto' {
  const text: string;
  export default text;
}
