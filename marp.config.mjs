// One self-contained file per deck: no emoji pictures, fonts or scripts from elsewhere.
// HTML is allowed for tables and line breaks only: cells hold a shop's words, which must not be read as Markdown.
export default {
  options: { emoji: { shortcode: false, unicode: false }, markdown: { breaks: false }, minifyCSS: false },
  themeSet: ["reports/theme"],
  html: { br: [], table: [], thead: [], tbody: [], tr: [], th: ["class"], td: ["class"] },
};
