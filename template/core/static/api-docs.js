// Starts Swagger UI on the API documentation page; a file of its own, because inline scripts are forbidden.
const docs = document.getElementById("api-docs");
const chosen = document.documentElement.dataset.theme;
const dark = chosen ? chosen === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
document.documentElement.classList.toggle("dark-mode", dark);
SwaggerUIBundle({ url: docs.dataset.openapi, domNode: docs, deepLinking: true, docExpansion: "list", validatorUrl: null });
