document.body.textContent = "The pages come with another branch.";
