// What Gradio's page and the Space around it put into `window`.

interface Window {
  gradio_config: { dependencies: { id: number; targets: [number, string][] }[] };
  __gradio_session_hash__: string;
  supports_zerogpu_headers?: boolean;
}
