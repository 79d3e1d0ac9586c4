// One self-contained file a deck: no emoji pictures, fonts or scripts from elsewhere.
export default {
  options: { emoji: { shortcode: false, unicode: false }, markdown: { breaks: false }, minifyCSS: false },
  themeSet: ["reports/theme"],
  html: false,
};
