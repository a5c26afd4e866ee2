// Starts Swagger UI on the API documentation page; a file of its own, because inline scripts are forbidden.
const docs = document.getElementById("api-docs");
const chosen = document.documentElement.dataset.theme;
const dark = chosen ? chosen === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
document.documentElement.classList.toggle("dark-mode", dark);

// Only the endpoints: the page around them has its own heading and its own <main>, Swagger UI's layout would add second ones.
const endpoints = ({ React }) => ({
  components: {
    Endpoints({ getComponent, specSelectors }) {
      const part = (name) => React.createElement(getComponent(name, true), { key: name });
      const loaded = specSelectors.loadingStatus() === "success";
      const parts = loaded ? ["SvgAssets", "errors", "AuthorizeBtnContainer", "operations"] : ["errors"];
      return React.createElement("div", { className: "swagger-ui" }, parts.map(part));
    },
  },
});

SwaggerUIBundle({
  url: docs.dataset.openapi,
  domNode: docs,
  docExpansion: "list",
  layout: "Endpoints",
  plugins: [endpoints],
  validatorUrl: null,
});
