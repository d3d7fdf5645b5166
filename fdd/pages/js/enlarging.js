// Pictures that a click, or Enter, shows as large as the window.

const enlarged = document.createElement("dialog");
enlarged.setAttribute("aria-label", "Enlarged picture");
enlarged.onclick = () => enlarged.close();
document.body.append(enlarged);

/** Makes an image or a canvas one of them; `prepare(large)` has what is then shown. */
export function enlargeable(picture, prepare = () => {}) {
  const enlarge = () => {
    const large = picture.cloneNode();
    for (const name of ["id", "role", "tabindex", "aria-description"]) large.removeAttribute(name);
    large.classList.remove("enlarges");
    if (large.getContext) {
      large.role = "img";
      large.getContext("2d").drawImage(picture, 0, 0);
    }
    enlarged.replaceChildren(large);
    prepare(large);
    enlarged.showModal();
  };
  picture.tabIndex = 0;
  picture.role = "button";
  picture.setAttribute("aria-description", "Enter enlarges it"); // a title would cover what it tells
  picture.classList.add("enlarges");
  picture.addEventListener("click", enlarge);
  picture.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" && event.key !== " ") return;
    event.preventDefault();
    enlarge();
  });
}
